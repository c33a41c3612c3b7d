"""Compiled reader of bulk input: bytes to columns, for every line it can prove to read as the scanner would.

`policy` decides when it is used, `blocks` runs it over blocks of whole lines, `lines` is the compiled part, `engine`
loads it. Importing this package loads neither Numba nor Arrow.
"""

from __future__ import annotations

from ztflow.kernel.policy import POLICY, warmup

__all__ = ["POLICY", "warmup"]
