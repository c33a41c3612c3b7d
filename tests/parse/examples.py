"""Lines of `fixtures/`, and how they are to be taken."""

import gzip
import itertools
import json
import re
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"
EXAMPLES = FIXTURES / "examples"

_START = re.compile(r"\d{4}-\d\d-\d\dT|\{")


def constructed():
    """(release, what it shows, line) of every constructed example."""
    lines = (EXAMPLES / "ztunnel-access-log-examples.log").read_text(encoding="utf-8").split("\n")
    found = []
    for comment, line in itertools.pairwise(lines):
        match = re.fullmatch(r"# release=(\S+) path=(.*)", comment)
        if match:
            found.append((match[1], match[2], line))
    return found


def captured(name):
    """Log lines of a captured file; what belongs to one record is joined with newlines."""
    path = FIXTURES / name
    text = gzip.decompress(path.read_bytes()).decode() if name.endswith(".gz") else path.read_text(encoding="utf-8")
    found = []
    for line in text.removesuffix("\n").split("\n"):
        if _START.match(line):
            found.append(line)
        else:
            found[-1] += "\n" + line
    return found


def real():
    """(source, expectation, line) of every line people pasted."""
    with (EXAMPLES / "real-lines.jsonl").open(encoding="utf-8") as lines:
        return [(one["source"], one["expect"], one["line"]) for one in map(json.loads, lines)]


CAPTURES = {
    "1.22.0-json": ("captured/1.22.0-json/ztunnel-m8s5v.log", "1.22.0", "json"),
    "1.22.1": ("examples/captured-1.22.1.log", "1.22.1", "plain"),
    "1.24.6-debug": ("examples/captured-1.24.6-debug.log", "1.24.6", "plain"),
    "1.29.5-json": ("captured/1.29.5-json/ztunnel-m8s5v.log", "1.29.5", "json"),
    "1.29.5-multinetwork": ("captured/1.29.5-multinetwork/ztunnel-m8s5v.log", "1.29.5", "plain"),
}
