"""Texts that nest too deep for a parser in C are known before it gets them, by inventories and policies alike."""

from __future__ import annotations

import json

import pytest

from ztflow.errors import InputError, UsageError
from ztflow.place import read_inventory
from ztflow.policy import load_policies
from ztflow.text.nesting import DEEPEST, nests_too_deep

DEEP = [
    "{" * 100_000,
    "[" * 100_000,
    "- " * 100_000,
    "a: " + "{b: " * 5000,
    "\n".join(" " * n + "a:" for n in range(3000)),
]


@pytest.mark.parametrize("text", DEEP)
def test_what_nests_too_deep_is_one_line_and_no_end_of_the_process(tmp_path, text):
    assert nests_too_deep(text)
    (tmp_path / "pods.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"nests too deep|neither YAML nor JSON"):
        load_policies([str(tmp_path / "pods.yaml")])
    with pytest.raises(InputError):
        read_inventory(tmp_path / "pods.yaml")


def test_what_people_have_does_not():
    assert not nests_too_deep(json.dumps([{"a": [{}] * 5}] * 5000))
    assert not nests_too_deep("}" * 5000 + "{" * DEEPEST)
    assert not nests_too_deep("---\n" * 5000)
