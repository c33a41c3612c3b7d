"""The command line as somebody mistypes it: every command, odd options, odd files, odd settings of the environment."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Final

from hypothesis import strategies as st

from fuzz.corpus import PODS, SAME_NODE, inventories, logs
from fuzz.edits import NUMBERS, WORDS, edited
from fuzz.filters import PRICES
from fuzz.program import ran, written
from fuzz.target import Target
from ztflow.cli.commands.report import REPORT_NAMES
from ztflow.cli.options import FILTER_OPTIONS, GRAPH_LEVELS, REPORT_FORMATS
from ztflow.graph.formats import GRAPH_WRITERS
from ztflow.writers import ROW_FORMATS

_VALUES: Final = (
    "", "-", "--", "0", "1", "-1", "1e9", "99999999999999999999", "5m", "1.5h", "9999999d", "2024-06-16T12:48:51Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "2262-01-01", "x", "a\nb", "\udcff", "é日😀", "*", "[", "**/*",
    "LOG", "PODS", "PRICES", "FOLDER", "NONE", "/dev/null", "none", "duration_ms > 1", "dst_port in (1", "0.02:0 EUR", "1e999",
    "shop/web", "10.0.0.0/8", "fe80::1%eth0", "80-70", "loki://", "loki://h:x?query=a", "http://a", "file:///etc/passwd",
)  # fmt: skip
_OPTIONS: Final = (
    *FILTER_OPTIONS, "--not", "--inventory", "--wrapper", "--since", "--until", "--window", "--first", "--last", "--rows",
    "--price", "--by", "-o", "--exit-code", "--strict", "--stats", "--stats=json", "--color", "--help", "--level", "--period",
    "--connections", "--seed", "--nodes", "--top", "--format",
)  # fmt: skip
_FORMS: Final = tuple(
    dict.fromkeys((*ROW_FORMATS, *REPORT_FORMATS, *GRAPH_WRITERS, *GRAPH_LEVELS, "stern", "cri", "allowed"))
)
_COMMANDS: Final = (
    ("check", "--policy", "PODS"), ("flows",), ("records",), ("summary",), ("graph",), ("explain",), ("diff", "LOG"), (), ("flowz",),
    *(("report", name) for name in (*REPORT_NAMES, "reprot")),
)  # fmt: skip
_SETTINGS: Final = {
    "COLUMNS": ("", "0", "-5", "x", "1", "99999999", "1e3"), "LINES": ("", "-1", "x"), "TERM": ("", "dumb", "\udcff"),
    "NO_COLOR": ("", "1"), "ZTFLOW_KERNEL": ("", "off", "on", "x", "\udcff"), "XDG_CACHE_HOME": ("", "relative", "/dev/null", "~x"),
    "TMPDIR": ("", "/dev/null", "/nowhere", "relative"), "HOME": ("", "/nowhere"), "LANG": ("", "C", "x"), "TZ": ("x", ""),
    "LOKI_USERNAME": ("", "\udcff", "a:b"), "LOKI_BEARER_TOKEN": ("a\nb", "é"), "LOKI_ORG_ID": ("\n",), "HTTP_PROXY": ("x", "://"),
}  # fmt: skip


def check(data: bytes) -> None:
    """The first line is the words, the second the environment, the rest is the log."""
    typed, settings, log = [*data.split(b"\n", 2), b"", b""][:3]
    words, environ = _words(typed), dict(part.partition("=")[::2] for part in _words(settings) if "=" in part)
    with TemporaryDirectory() as folder:
        named = {
            "LOG": written(folder, "a.log", log or SAME_NODE.read_bytes()),
            "PODS": written(folder, "pods.txt", PODS.read_bytes() if len(log) % 2 else log),
            "PRICES": written(folder, "prices.csv", PRICES if len(log) % 3 else log),
            "FOLDER": folder,
            "NONE": f"{folder}/none",
        }
        ran(
            [named.get(word, word) for word in words],
            log,
            {key: value for key, value in environ.items() if key in _SETTINGS and "\0" not in value},
        )


def _words(data: bytes) -> list[str]:
    """Words of a shell's line, without those that would wait for more input, or write where they like."""
    text = data.decode("utf-8", "surrogateescape").replace("\0", "")
    words = text.split(" ")
    with suppress(ValueError):
        words = shlex.split(text)
    return [word for word in words if not word.startswith(("-f", "--f", "--ou", "--de")) or word.startswith(("--from", "--filter", "--first", "--format"))][:12]  # fmt: skip


def _line(words: Sequence[str]) -> bytes:
    return shlex.join(words).encode("utf-8", "surrogateescape")


_value = st.sampled_from((*_VALUES, *_FORMS))
_option = st.one_of(
    st.sampled_from(_OPTIONS).map(lambda name: [name]),
    st.tuples(st.sampled_from(_OPTIONS), _value).map(list),
    st.just(["LOG"]),
    _value.map(lambda word: [word]),
)
_typed = st.builds(
    lambda command, options: _line([*command, *(word for option in options for word in option)]),
    st.sampled_from(_COMMANDS), st.lists(_option, max_size=4),
)  # fmt: skip
_settings = st.lists(
    st.sampled_from(sorted(_SETTINGS)).flatmap(
        lambda name: st.sampled_from(_SETTINGS[name]).map(lambda value: f"{name}={value}")
    ),
    max_size=2,
).map(_line)
_log = st.one_of(st.just(b""), edited(logs(400), most=2), edited(inventories(1500), most=3), edited((PRICES,), most=3))
TARGET = Target(
    st.one_of(
        st.builds(lambda *parts: b"\n".join(parts), _typed, _settings, _log),
        edited(
            tuple(_line([*command, "LOG"]) for command in _COMMANDS), (*WORDS, *NUMBERS, *map(str.encode, _OPTIONS))
        ),
    ),
    check,
)
