"""Compiled Python functions: `build` compiles them with Numba once, `cache` keeps the code, `link` calls it."""
