"""Golden files: what was printed once and read by a person.

`ZTFLOW_REWRITE_GOLDEN=1 python -m pytest tests` writes them anew; read the diff before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"


def matches_golden(name: str, text: str) -> None:
    """Assert that the text is what the golden file holds."""
    path = GOLDEN / name
    if os.environ.get("ZTFLOW_REWRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} changed; see tests/support/golden.py"
