"""Each closed vocabulary has one home: what is written comes from it, and no other module spells it out."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from halves_by_hand import connection
from halves_by_hand import table as halves_table

import ztflow
from ztflow.model import vocabulary
from ztflow.model.error_classes import COPY_PREFIXES, ERROR_TEXTS, IO_TEXTS, TLS_CAUSES, classify_error
from ztflow.model.objects import AccessRecord, Flow
from ztflow.model.schema import FLOWS, HALVES
from ztflow.model.vocabulary import ErrorClass, GraphLevel, LogLevel, Paired, Unpaired, Verdict, Word, unknown_word
from ztflow.pair.pairer import Pairer

PACKAGE = Path(ztflow.__file__).parent
ROOT = PACKAGE.parent
FIXTURES = ROOT / "fixtures"
VOCABULARIES = Word.__subclasses__()
CLOSED = {column.name: column.words for column in (*HALVES, *FLOWS) if column.words is not None}


# ---- the vocabularies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", VOCABULARIES)
def test_a_member_is_its_text_and_has_a_meaning(words):
    for word in words:
        assert (word, str(word), f"{word}", hash(word)) == (word.value, word.value, word.value, hash(word.value))
        assert words(word.value) is word
        assert word.meaning
        assert not word.meaning.endswith(".")


@pytest.mark.parametrize("words", VOCABULARIES)
def test_the_type_for_checkers_is_the_same_set(words):
    assert get_args(getattr(vocabulary, f"{words.__name__}Word")) == tuple(word.value for word in words)


@pytest.mark.parametrize(("columns", "model"), [(HALVES, AccessRecord), (FLOWS, Flow)])
def test_objects_have_the_words_of_their_columns_and_no_others(columns, model):
    def told(annotation):
        return {
            text for text in (annotation, *get_args(annotation)) for text in get_args(text) if isinstance(text, str)
        }

    for column in columns:
        words = {word.value for word in column.words or ()}
        assert told(model.model_fields[column.name].annotation) == words, column.name


@pytest.mark.parametrize(
    ("words", "text", "complaint"),
    [
        (ErrorClass, "time_out", "error_class cannot be 'time_out'; did you mean 'timeout'?"),
        (
            Paired,
            "DIRECT",
            "paired cannot be 'DIRECT'; it is one of exact, unique, ambiguous, relaxed, outbound_only, inbound_only",
        ),
        (Paired, "Inbound-Only", "paired cannot be 'Inbound-Only'; did you mean 'inbound_only'?"),
        (
            Paired,
            "",
            "paired cannot be ''; it is one of exact, unique, ambiguous, relaxed, outbound_only, inbound_only",
        ),
        (Unpaired, "late", None),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest_or_all(words, text, complaint):
    name = next(name for name, own in {**CLOSED, "unpaired": Unpaired}.items() if own is words)
    assert unknown_word(words, name, text) == complaint


def test_of_a_long_list_only_the_first_are_told():
    assert unknown_word(ErrorClass, "error_class", "xyzzy").endswith("network_policy, reset, io_error, tls_error, …")


# ---- one home --------------------------------------------------------------------------------------------------------

SPELLED = dict.fromkeys(VOCABULARIES, (2, 0.5)) | {GraphLevel: (len(GraphLevel) - 1, 1.0)}
"""From how many words, and from what share of a collection, it is the set again. Words of levels name facts, too."""


def collections_in(tree):
    """Line, literal texts and size of every display, `Literal[…]`, dictionary and call, and of every list in a text."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts) | ast.Dict(keys=parts):
                pass
            case ast.Call(args=parts):
                pass
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                for run in re.findall(r"\w+(?:\|\w+)+|\w+(?:, \w+){2,}", text):
                    yield node.lineno, re.split(r"\||, ", run), 0
                continue
            case _:
                continue
        yield (
            node.lineno,
            [p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str)],
            len(parts),
        )


def spelled_again(source):
    """Where a source holds most of a vocabulary's words, or compares a closed column with a text."""
    for line, texts, size in collections_in(ast.parse(source)):
        for words, (least, share) in SPELLED.items():
            found = {text for text in texts if text in set(words)}
            if len(found) >= least and len(found) >= share * size:
                yield f"line {line} spells {words.__name__}: {', '.join(sorted(found))}"
        if len(texts) > 1 and texts[0] in CLOSED and set(texts[1:]) <= set(CLOSED[texts[0]]):
            yield f"line {line} compares {texts[0]} with a text"


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != Path(vocabulary.__file__))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_spells_a_vocabulary(path):
    assert list(spelled_again(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        'PAIRED = ("exact", "unique", "ambiguous")', "x: Literal['same_node', 'cross_node']", "{'inbound', 'outbound'}",
        "{'denied': 1, 'failed': 2, None: 3}", 'view.equals("verdict", "denied")', 'help="denied|failed"',
        'by = "pod|workload|service|namespace|identity|node|zone|cluster"', "['refused', 'reset']",
    ],
)  # fmt: skip
def test_spelling_one_is_seen(source):
    assert list(spelled_again(source))


@pytest.mark.parametrize(
    "source", ['"""denied, failed"""', '("pod", "node", "zone")', 'row.get("denied", 0)', '("hbone", 1, 2)']
)
def test_using_a_word_is_no_spelling(source):
    assert not list(spelled_again(source))


@pytest.mark.parametrize(
    ("page", "words"),
    [("explanation/pairing.md", Paired), ("explanation/placement.md", vocabulary.NodeLocality),
     ("reference/graph.md", GraphLevel), ("reference/graph.md", vocabulary.FlowPath)],
)  # fmt: skip
def test_a_page_that_lists_a_vocabulary_lists_all_of_it(page, words):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [word for word in words if f"`{word}`" not in text] == []


# ---- what is written -------------------------------------------------------------------------------------------------


def words_of(seen, kind, columns, table):
    for column in columns:
        if column.words is not None:
            seen[kind, column.name] |= set(table[column.name].unique().to_pylist()) - {None}


@pytest.fixture(scope="module")
def written():
    """Words in the closed columns of records and flows of every fixture log that is another log's: (kind, column) → words."""
    seen = defaultdict(set)
    runs = [path for path in sorted((FIXTURES / "captured").iterdir()) if path.is_dir()]
    captures = [(sorted(run.glob("*.log*")), [run / "pods.txt", run / "nodes.txt"]) for run in runs]
    captures.append(([path for room in ("examples", "real", "seed") for path in (FIXTURES / room).glob("*.log")], []))
    for logs, inventory in captures:
        words_of(seen, "flows", FLOWS, ztflow.read_flows(*logs, inventory=inventory).to_arrow())
        words_of(seen, "records", HALVES, ztflow.read_records(*logs).to_arrow())
    return seen


def late():
    pairer = Pairer(window=timedelta(seconds=1))
    pairer.push(halves_table(connection(0) + connection(200, response=5)))
    pairer.push(halves_table(connection(20, response=7)[:1]))
    return pairer.finish()


def evicted():
    return Pairer(capacity=2).push(halves_table([half for n in range(5) for half in connection(n, response=n)][1::2]))


def twins():
    return Pairer().finish(halves_table([half for n in range(6) for half in connection(n * 0.00001, delay_us=150 + n)]))


NOT_IN_LOGS = {
    LogLevel.TRACE: "no release writes it",
    Unpaired.STILL_OPEN: "tests/place/test_open_connections.py",
    Verdict.OPEN: "tests/place/test_open_flows.py",
}


def test_all_that_is_written_is_a_word_and_every_word_is_written(written):
    for (kind, name), texts in written.items():
        assert texts <= set(CLOSED[name]), (kind, name)
    for made in (late(), evicted(), twins()):
        words_of(written, "flows", FLOWS, made.to_arrow())
    opened = ztflow.parse_line(
        "2024-11-05T12:00:01.013201Z\tdebug\taccess\tconnection opened\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:80 "
        'direction="inbound"'
    )
    texts = [known.text for known in ERROR_TEXTS] + [known.text + "x" for known in ERROR_TEXTS]
    texts += [f"io error: {text}" for text, _ in (*IO_TEXTS, *TLS_CAUSES)] + [COPY_PREFIXES[0] + "x", "?"]
    texts += [f"tls handshake error: {text}" for text, _ in TLS_CAUSES]
    written["records", "error_class"] |= {classify_error(text) for text in texts}
    written["records", "message"].add(opened.message)
    written["records", "level"].add(opened.level)
    found = defaultdict(set)
    for (_, name), texts in written.items():
        found[name] |= texts
    missing = {name: set(words) - found[name] - set(NOT_IN_LOGS) for name, words in CLOSED.items()}
    assert missing == {name: set() for name in CLOSED}


def test_what_no_log_shows_is_written_by_the_test_that_is_named():
    for word, place in NOT_IN_LOGS.items():
        assert not place.endswith(".py") or f'["{word}"]' in (ROOT / place).read_text(encoding="utf-8")
