"""Rust Debug strings: what the format says, character by character."""

import pytest

from ztflow.text.escapes import BadEscapeError, decode, encode, quote, visible, visible_width

PAIRS = [
    ("plain-name", "plain-name"),
    ('say "hi"', r"say \"hi\""),
    ("back\\slash", r"back\\slash"),
    ("a\nb\rc\td\0e", r"a\nb\rc\td\0e"),
    ("it's", "it's"),
    ("é日本😀", "é日本😀"),
    ("e\u0301", r"e\u{301}"),
    ("\u200b", r"\u{200b}"),
    ("\u00ad", r"\u{ad}"),
    ("\u00a0", r"\u{a0}"),
    ("\u2028", r"\u{2028}"),
    ("\ufeff", r"\u{feff}"),
    ("\ue000", r"\u{e000}"),
    ("\x7f", r"\u{7f}"),
    ("\x1b[31m", r"\u{1b}[31m"),
    ("\u200c", r"\u{200c}"),
    ("\U0010ffff", r"\u{10ffff}"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "written"), PAIRS)
def test_encode_and_decode(text, written):
    assert encode(text) == written
    assert decode(written) == text
    assert quote(text) == f'"{written}"'


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (r"ab\x41", 2),
        (r"\'", 0),
        (r"\u{}", 0),
        (r"\u{0041}", 0),
        (r"\u{110000}", 0),
        (r"\u{DF}", 0),
        (r"\u41", 0),
        (r"\u{d800}", 0),
        ("a\\", 1),
    ],
)
def test_what_rust_never_writes(body, offset):
    with pytest.raises(BadEscapeError) as caught:
        decode(body)
    assert caught.value.offset == offset
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", r"a\tb"),
        ("\x1b]0;x\x07", r"\u{1b}]0;x\u{7}"),
        ("\u202eabc", r"\u{202e}abc"),
        ("é日", "é日"),
        ("a b", "a b"),
        ("\udc80", r"\u{dc80}"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("", 0)])
def test_visible_width(text, width):
    assert visible_width(text) == width
