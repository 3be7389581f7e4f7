"""The kernels on NumPy arrays: ufuncs and BLAS with ``out=``.

With ``out`` a kernel allocates at most a few numbers per row and a few blocks of
``_blocks.BLOCK`` elements; losses, log_softmax and its backward, whose rows are as short as the
output layer, up to two temporaries of their argument's size. ``out`` is C-contiguous and may be
the first argument itself, where that has its shape; in the backward of a loss, the prediction.
"""
