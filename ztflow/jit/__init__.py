"""Machine code made from Python: built with Numba once, kept on disk, linked with LLVM alone."""
