"""The kernels on CuPy arrays, and whole programs on a GPU: CUDA C++ in ``.cu``, Python around it.

==============================================  ==================================================
the files of every folder of kernels            a wrapper allocates the result, makes strided input
                                                contiguous and launches one kernel; the formulas
                                                are in the ``.cu`` files with an underscore, the
                                                product is cuBLAS
``_tile.cu``, ``_elements.cu``, ``program.cu``  the tasks of a step: products, and what is fused
                                                to them
``_units.py``, ``recording.py``                 a table of layers becomes tasks in stages
``program.py``, ``_held.py``                    run them: one launch, a graph, or stage by stage
``_source.py``, ``_launch.py``, ``_runner.py``  the sources as text; launching; CuPy itself
``cublas.py``                                   cuBLAS where CuPy does not let it be captured
==============================================  ==================================================

Nothing here imports CuPy, or touches CUDA, before the first kernel runs. No kernel uses float
atomics and every sum has a fixed order, so the same input gives the same bits.
"""
