"""`python -m ztflow.kernel.warmup`: compile the kernel into the cache, out of the way of whatever else runs."""

from __future__ import annotations

import os
from contextlib import suppress

from ztflow.kernel.policy import warmup

if __name__ == "__main__":
    with suppress(OSError, AttributeError):
        os.nice(10)
    warmup()
