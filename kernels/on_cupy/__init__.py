"""The kernels on CuPy arrays: CUDA C++ in the ``.cu`` files, thin wrappers in the ``.py`` files.

A wrapper allocates the result, makes strided input contiguous and launches one kernel; the matrix
product is cuBLAS. ``_launch.py`` alone knows CuPy: nothing here imports it, or touches CUDA, before
the first kernel runs. No kernel uses float atomics and every sum has a fixed order, so the same
input gives the same bits.
"""
