"""Program (`python -m ztflow.kernel.warmup`): compiles the kernel into the cache, at low priority."""

from __future__ import annotations

import os
from contextlib import suppress

from ztflow.kernel.policy import warmup

if __name__ == "__main__":
    with suppress(OSError, AttributeError):
        os.nice(10)
    warmup()
