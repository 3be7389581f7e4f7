"""What can be computed with a Tensor: a file for each kind, each operation with its way back.

Every file has one base of ``Tensor``, so that its methods stand together by what they do. An
operation computes its result at once and leaves, by ``graph.record``, a function that turns the
gradient of the result into those of its operands. The operations that have kernels of their own
for layers and losses are in ``nn/functional.py``.
"""
