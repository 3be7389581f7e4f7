"""Every kernel once, in plain array-API calls: what it means, on any namespace.

These allocate freely and never get an ``out``. They are what the fast folders are tested against,
and are tested themselves against the slow loops in ``tests/kernels/loops.py``.
"""
