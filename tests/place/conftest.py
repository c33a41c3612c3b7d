from pathlib import Path

import pytest

from ztflow.place.inventory.facts import Inventory
from ztflow.place.inventory.files import parse_inventory


@pytest.fixture(scope="session")
def inventories() -> Path:
    return Path(__file__).parents[2] / "fixtures" / "inventory"


@pytest.fixture
def parsed():
    """An inventory from text."""

    def parse(text: str, *, recognised: bool = True) -> Inventory:
        inventory = Inventory()
        assert parse_inventory(text, "given.txt", inventory) is recognised
        return inventory

    return parse
