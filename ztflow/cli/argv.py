"""What the command line's words mean before Typer reads them.

Three things Typer has no word for: a default command, an option whose value may be left out (`--stats[=json]`), and
`--not`, which turns round the filter after it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ztflow.errors import UsageError

DEFAULT_COMMAND = "summary"

EXCLUDED = "\0"
"""Put before the value of a filter that `--not` stands before. No argument of a process can hold this character."""

_ROOT_ONLY = ("--help", "-h", "--version")


def prepare(
    argv: Sequence[str], *, commands: Collection[str], valued: Collection[str], filters: Collection[str]
) -> list[str]:
    """The words Typer is to read.

    Args:
        argv: What the user typed, without the program's name.
        commands: Names of commands.
        valued: Options that take a value, to tell their values from the first word.
        filters: Options `--not` may stand before.

    Raises:
        UsageError: If `--not` does not stand before a filter.
    """
    words = _turned_filters(argv, filters)
    words = _explicit_stats(words)
    if words and words[0] in _ROOT_ONLY:
        return words
    place = _first_word(words, valued)
    if place is not None and words[place] in commands:
        return [words[place], *words[:place], *words[place + 1 :]]
    return [DEFAULT_COMMAND, *words]


def _first_word(words: Sequence[str], valued: Collection[str]) -> int | None:
    """Where the first word stands that is neither an option nor an option's value."""
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return None
        elif word.startswith("--"):
            skip = word in valued
        elif word.startswith("-") and word != "-":
            skip = "-" + word[-1] in valued and all("-" + letter not in valued for letter in word[1:-1])
        else:
            return place
    return None


def _explicit_stats(words: Sequence[str]) -> list[str]:
    end = words.index("--") if "--" in words else len(words)
    return ["--stats=text" if word == "--stats" and place < end else word for place, word in enumerate(words)]


def _turned_filters(words: Sequence[str], filters: Collection[str]) -> list[str]:
    turned: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*turned, word, *rest]
        if word != "--not":
            turned.append(word)
            continue
        name, equals, value = next(rest, "").partition("=")
        if name not in filters:
            raise UsageError(f"--not stands before a filter such as --from-pod NAME, not before {name or 'nothing'!r}")
        if not equals:
            following = next(rest, None)
            if following is None:
                raise UsageError(f"{name} needs a value")
            value = following
        turned.append(f"{name}={EXCLUDED}{value}")
    return turned
