"""The page of questions: every command prints what it shows, and the answers are those of the captures' truth.

As a program it writes the outputs into the page.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from ztflow.cli import main

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
PAGE = ROOT / "docs" / "how-to" / "questions.md"
CONSOLE = re.compile(r"```console\n(?P<body>(?:.*\n)*?)```\n")

NAMES = {
    "logs": "captured/1.29.5-json", "restart": "captured/1.31.0-head-restart", "mesh": "captured/1.31.0-head-envoy-1.39",
    "stale": "policy/1.31.0-head-strict-stale", "strict": "policy/1.31.0-head-strict", "dryrun": "policy/1.31.0-head-dryrun", "one.log.gz": "wrapped/kubectl-ds.log.gz",
    "webhook.log": "real/orfeas-k-kubeflow-istio-ambient-demo.log", "egress.log": "real/istio-istio-58786.log",
    "ingress.log": "seed/ingress-wrapped.log", "nodes.csv": "questions/nodes.csv", "policy.yaml": "questions/policy.yaml",
}  # fmt: skip


class Bytes(io.TextIOWrapper):
    """A stream in memory that is no terminal."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", write_through=True)


def printed(command: str) -> str:
    """What a command prints: ztflow in this process, because a process each would take a second, the rest in a shell."""
    ours, _, rest = command.partition(" | ")
    both = ours.endswith(" 2>&1")
    out, err = Bytes(), Bytes()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out if both else err):
        code = main(shlex.split(ours.removesuffix(" 2>&1"))[1:])
    assert code == 0, (command, err.bytes.getvalue().decode())
    data = out.bytes.getvalue()
    if rest:
        data = subprocess.run(["sh", "-c", rest], input=data, capture_output=True, check=True).stdout
    return re.sub(r" +$", "", data.decode(), flags=re.MULTILINE)


def true_outputs(text: str) -> str:
    def block(match: re.Match[str]) -> str:
        commands = [line[2:] for line in match["body"].splitlines() if line.startswith("$ ")]
        return "```console\n" + "".join(f"$ {command}\n{printed(command)}" for command in commands) + "```\n"

    return CONSOLE.sub(block, text)


@contextlib.contextmanager
def named(folder: Path):
    """A folder where the captures have the page's names."""
    for name, place in NAMES.items():
        (folder / name).symlink_to(FIXTURES / place)
    with contextlib.chdir(folder):
        yield


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What each command of the page prints."""
    with named(tmp_path_factory.mktemp("questions")):
        return true_outputs(PAGE.read_text(encoding="utf-8"))


def test_every_command_prints_what_the_page_shows(answers):
    text = PAGE.read_text(encoding="utf-8")
    assert len(CONSOLE.findall(text)) == text.count("```console\n") > 12
    assert answers == text


def answer(answers: str, command: str) -> list[str]:
    """The lines a command of the page prints."""
    _, _, rest = answers.partition(f"$ {command}")
    lines = rest.splitlines()[1:]
    end = next(number for number, line in enumerate(lines) if line.startswith(("$ ", "```")))
    assert lines[:end]
    return lines[:end]


def truth(capture: str) -> list[dict[str, str]]:
    text = (FIXTURES / capture / "truth.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_the_answers_are_those_of_the_truth(answers):
    made = Counter(row["asked"].rpartition(":")[2] for row in truth(NAMES["logs"]) if row["outbound"] != "-")
    assert answer(answers, "ztflow flows logs --filter 'to_port == 5432' -o jsonl") == ["35"]
    assert made["5432"] == 35
    (refused,) = [line for line in answer(answers, "ztflow report denied strict |") if line.startswith("istio-")]
    assert refused.split()[-3:] == ["23", "1", "5"]
    webhook = answer(answers, "ztflow report denied webhook.log")[2]
    assert "192.168.2.8" in webhook
    assert "node  worker-1" in webhook
    unknown = answer(answers, "ztflow report denied stale")
    assert [line.split()[-3] for line in unknown[2:-1]] == ["9", "5"], "14 refused between pods of the mesh"
    torn = answer(answers, "ztflow flows restart --filter 'error_class == drained'")
    assert len(torn) == 7
    tried = answer(answers, "ztflow check dryrun")
    assert {tuple(line.split()[-2:]) for line in tried[2:-1]} == {(n, n) for n in ("291", "255", "119", "71", "4")}
    assert "spiffe://cluster.local/ns/shop/sa/way" in answer(answers, "ztflow report waypoints mesh --table Both")[2]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, named(Path(place)):
        os.environ["COLUMNS"] = "100"
        sys.stdin = io.TextIOWrapper(io.BytesIO())
        PAGE.write_text(true_outputs(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
