"""The page of the public names is current, and every public name says what it is."""

from __future__ import annotations

import inspect
import re
from importlib import import_module

import pytest
from python_reference import MODULES, PAGE, page

PUBLIC = {
    f"{module}.{name}": thing
    for module in MODULES
    for name in import_module(module).__all__
    if callable(thing := getattr(import_module(module), name))
}


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/support/python_reference.py"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_says_what_it_is(name):
    thing = PUBLIC[name]
    assert vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__, "a docstring of its own"
    told = re.search(r"^Args:\n((?: .*\n|\n)*)", f"{inspect.getdoc(thing)}\n", re.MULTILINE)
    if told is not None:
        own = [one for one in inspect.signature(thing).parameters if not one.startswith("_")]
        assert set(own) <= set(re.findall(r"^ {4}(\w+):", told[1], re.MULTILINE))
