"""A capture that the tests of this folder share, and one whose names are hostile."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_strategies import HOSTILE
from flows_by_hand import PLAIN, flow, table

import ztflow
from ztflow.model.tables import Flows


@pytest.fixture(scope="session")
def storm():
    """Three real ztunnels, with their nodes and zones."""
    return ztflow.read_flows(Path(__file__).parents[2] / "fixtures" / "captured" / "1.29.5-storm")


MARKUP = ["<b>bold</b>", "<a href='https://evil.example'>x</a>", "$x^2$", "a%{y}b", "&lt;", "2024-01-01", "17"]


@pytest.fixture(scope="session")
def hostile():
    """Names that are markup for somebody, those twice that look the same to plotly, sums past 64 bits."""
    names = [*HOSTILE, *MARKUP]
    rows = [
        flow(at, src_namespace=name, dst_namespace=name, src_node=name, dst_node=names[at - 1], locality="unknown",
             request_bytes=2**63 - 1, response_bytes=2**63 - 1, duration_ms=at)
        for at, name in enumerate(names)
    ]  # fmt: skip
    nameless = flow(src_node=None, dst_node=None, src_namespace=None, src_pod=None, src_name=None, **PLAIN)
    return Flows(table(*rows, nameless))
