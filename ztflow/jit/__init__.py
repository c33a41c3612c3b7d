"""Machine code made from Python: `build` compiles it with Numba once, `cache` keeps it, `link` calls it."""
