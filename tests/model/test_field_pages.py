"""The reference pages say what the code does."""

import re
from pathlib import Path

import pytest
from field_pages import main, pages

from ztflow.parse.grammar import rules

DOCS = Path(__file__).parents[2] / "docs" / "reference"
GRAMMAR = (DOCS / "grammar.md").read_text(encoding="utf-8")
RULES = dict(re.findall(r"^([a-z_]+) +=(.*(?:\n {4,}.*)*)", GRAMMAR, re.MULTILINE))
SAMPLES = re.findall(r"^\| `([a-z_]+)` \| `(.*)` \|$", GRAMMAR, re.MULTILINE)


@pytest.mark.parametrize("name", pages())
def test_a_made_page_is_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], (
        "run: python tests/support/field_pages.py docs/reference"
    )


def test_the_pages_can_be_written(tmp_path):
    main(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == set(pages())


def test_the_grammar_page_has_every_rule_and_no_other():
    assert set(RULES) == set(rules())


@pytest.mark.parametrize(("name", "sample"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_a_rule_matches_its_sample(name, sample):
    assert rules()[name].matches(sample, parse_all=True)


def test_every_rule_but_the_end_has_a_sample():
    assert {name for name, _ in SAMPLES} == set(rules()) - {"end"}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_on_the_page_names_only_rules(name):
    said = re.sub(r"/(?:[^/\\]|\\.)*/(?= |$)|\(\*.*?\*\)|\?.*?\?|\"[^\"]*\"|'[^']*'", " ", RULES[name])
    assert set(re.findall(r"[a-z_]+", said)) <= set(RULES)
