"""The reference page of advice lists every reason as the program has it.

`python tests/policy/advice/test_reference.py` writes them into the page.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from ztflow.policy.advice import BREAKABLE, EXPLANATIONS, WRITABLE
from ztflow.reports.advice import AdviceReport

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "advice.md"
BEGIN, END = "<!-- reasons: made by tests/policy/advice/test_reference.py -->\n", "<!-- end of reasons -->\n"


def with_reasons(text: str) -> str:
    """The page with its table of reasons."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    rows = [
        f"| `{reason}` | {told.text} | {'yes' if told.holds else 'no'} | "
        f"{' '.join(f'`{option}`' for option, takes in (('--with', WRITABLE), ('--without', BREAKABLE)) if reason in takes)} |\n"
        for reason, told in EXPLANATIONS.items()
    ]
    head = "| reason | meaning | holds the draft back | options |\n|---|---|---|---|\n"
    return f"{before}{BEGIN}{head}{''.join(rows)}{END}{after}"


def test_the_page_has_every_reason():
    text = PAGE.read_text()
    assert with_reasons(text) == text


def test_the_page_names_every_key_of_the_report():
    text = PAGE.read_text()
    assert [field.name for field in fields(AdviceReport) if f"`{field.name}`" not in text] == ["basis"]


if __name__ == "__main__":
    PAGE.write_text(with_reasons(PAGE.read_text()))
