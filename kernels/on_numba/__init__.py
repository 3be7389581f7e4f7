"""The kernels as plain loops, compiled by Numba on the user's own machine.

A file of the kernel list holds pairs: ``x_loop``, the compiled arithmetic on contiguous arrays, and
``x``, which allocates, makes the layout contiguous and calls it. ``operations.py`` calls the same
loops for a program. ``_jit.py`` alone decides how loops are compiled and where the cache lies.
"""
