"""The kernels as plain loops, compiled by Numba on the user's own machine.

Each file holds pairs: ``x_loop``, the compiled arithmetic on contiguous arrays, and ``x``, which
allocates, makes the layout contiguous and calls it. ``program.py`` calls the same loops for whole
ranges of minibatches. ``_jit.py`` alone decides how loops are compiled and where the cache lies.
"""
