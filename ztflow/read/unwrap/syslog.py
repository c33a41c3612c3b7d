r"""Lines behind a syslog head, as rsyslog, syslog-ng and journalctl print it (docs/reference/wrappers.md#syslog).

The host of a head is not the node: a relay's head names the relay, for all it passes on. It only tells apart whose
parts belong together. A file name or tag in the head that names a ztunnel pod does tell.

Sources: RFC 3164, RFC 5424, RFC 6587 (octet counting), rsyslog `tools/syslogd.c` (templates) and `runtime/parser.c`
(escapes), syslog-ng `lib/template/templates.c` and `modules/syslogformat`, systemd `src/shared/logs-show.c`.
"""

from __future__ import annotations

from ztflow.model.provenance import NOBODY, Origin
from ztflow.model.schema import ACCESS_SCOPE, LOG_LEVELS
from ztflow.model.vocabulary import Message
from ztflow.parse.assembly import SOURCE_KEY
from ztflow.read.sources.naming import POD_NAME
from ztflow.read.unwrap.content import RFC3339_TIME, Content, Cut, Memory, cri_head, find_head, merged
from ztflow.read.unwrap.metadata import origin_of_file, origin_of_metadata, shared
from ztflow.text.escapes import strip_sequences
from ztflow.text.patterns import lazy_pattern

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_BSD = rf"(?:\d{{4}} )?{_MONTH} [ \d]\d (?:\d{{4}} )?{_CLOCK}"
_ISO = rf"\d{{4}}-\d\d-\d\dT{_CLOCK}(?:Z|[+-]\d\d:?\d\d)"
_JOURNAL = (
    rf"{_DAY} \d{{4}}-\d\d-\d\d {_CLOCK} [A-Z0-9+-]{{1,6}}|\d{{10}}\.\d{{6}}|\[ *\d+\.\d{{6}}(?: <[^>]{{0,24}}>)?\]"
)
"""`-o short-full` and `with-unit`, `short-unix`, `short-monotonic` and `short-delta`."""

_STAMPED = lazy_pattern(rf"(?:\d{{1,7}} (?=<))?(?:<\d{{1,3}}>)?(?:(?P<bsd>{_BSD})|(?P<iso>{_ISO})|{_JOURNAL}):? (?! )")
_ELEMENT = r'\[[^\s\]="]{1,64}(?: [^\s\]="]{1,64}="(?:[^"\\\]]|\\.)*+")*+\]'
_RFC5424 = lazy_pattern(
    rf"(?:\d{{1,7}} (?=<))?(?:<\d{{1,3}}>)?1 (?:-|{_ISO}) (?P<host>\S{{1,255}}) (?P<app>\S{{1,255}}) "
    rf"\S{{1,128}} \S{{1,32}} (?P<data>-|(?:{_ELEMENT})++)(?: \ufeff?|$)"
)
_PARAMETER = lazy_pattern(r' ([^\s\]="]{1,64})="((?:[^"\\\]]|\\.)*+)"')
_OWN_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z(?=[\t \xa0#\\^])"
_INSIDE = lazy_pattern(rf"(?:^|(?<=[\s:]))(?={RFC3339_TIME} std(?:out|err) [FP]|{_OWN_TIME}|\{{\")")
_EATEN_CRI = lazy_pattern(r"(?:(\S{1,255}) )?(stdout|stderr) ([FP])(?::[^ ]*)?(?: |$)")
_TAGGED = lazy_pattern(r"([^\s{\[]\S{0,254}) (\S{1,255}?(?:\[[^\]\s]{0,64}\])?): ?")
_MESSAGE = lazy_pattern(rf"(?:^|(?<=[\t ]))connection[\t ](?:{'|'.join(Message)})[\t ]")
_VARYING = lazy_pattern(r"<\d+>|\[\d+\]|\d+[-/:.T]\d\d[-/:.T ]\d\d\S*|(?<!\S)\d+(?!\S)")
"""What differs from line to line of one writer: priorities, process ids, times, counters."""

_HEAD_CHARS = 400
"""Longest head behind its time: host, tag and what templates add."""


def syslog(text: str, memory: Memory) -> list[Content] | None:
    """`<PRI>TIME HOST TAG[PID]: LINE`: RFC 3164, rsyslog's and syslog-ng's files, journalctl's short forms."""
    del memory
    found = _STAMPED.match(text)
    if found is None:
        return None
    rest = text[found.end() :]
    if found["iso"] and rest[:1] in "{[\t":
        return None
    stamp = found["bsd"] or found["iso"]
    eaten = _EATEN_CRI.match(rest) if stamp else None
    if eaten is not None:
        return [_part(eaten[1] or "", rest[eaten.end() :], eaten[2], eaten[3], stamp or "")]
    inside = _INSIDE.search(rest, 0, _HEAD_CHARS)
    if inside is not None:
        if not inside.start() and found["iso"]:
            return None  # two times behind each other: `kubectl logs --timestamps`
        return [_behind(rest[: inside.start()], rest[inside.start() :])]
    cut = _without_time(stamp, rest) if stamp else None
    if cut is not None:
        return [cut]
    tagged = _TAGGED.match(rest)
    if tagged is None:
        return None
    return [_behind(rest[: tagged.end()], rest[tagged.end() :])]


def rfc5424(text: str, memory: Memory) -> list[Content] | None:
    """`<PRI>1 TIME HOST APP PROCID MSGID [SD] LINE`; structured data may name the pod."""
    del memory
    found = _RFC5424.match(text)
    if found is None:
        return None
    about = {key: value for key, value in _PARAMETER.findall(found["data"]) if "\\" not in value}
    inner = _behind(f"{found['host']} {found['app']} ", text[found.end() :])
    return [inner._replace(origin=merged(inner.origin, origin_of_metadata(about)))]


def _behind(head: str, line: str) -> Content:
    """What stands behind a head: a part of a line keeps the head as its writer's name."""
    cri = cri_head(line)
    if cri is not None:
        return _part(head, line[cri.end() :], cri[2], cri[3], cri[1])
    return Content(line, origin=_origin(head))


def _part(head: str, line: str, stream: str, tag: str, stamp: str) -> Content:
    part = Cut.MORE if tag == "P" else Cut.END
    writer = f"{writer_of(head)} {stream}".strip()
    return Content(line, origin=_origin(head), part=part, stream=writer, stamp=stamp)


def writer_of(head: str) -> str:
    """A head without what differs from line to line: the name of a writer whose parts belong together."""
    return " ".join(_VARYING.sub(" ", head).split())


def _origin(head: str) -> Origin:
    """The ztunnel that a head names by a file's path or a container's name in it, or by a pod's name."""
    for word in head.split():
        origin = origin_of_file(word.rstrip(":"))
        if origin is not NOBODY and origin.pod:
            return shared(origin)
    pods = set(POD_NAME.findall(head))
    return shared(Origin(pod=pods.pop())) if len(pods) == 1 else NOBODY


def _without_time(stamp: str, rest: str) -> Content | None:
    """A line whose time was taken for the message's own by a relay that parsed it, so that only the head has it.

    Level and scope may have been taken for host and program; then they are gone or stand in another place.
    """
    if "\t" not in rest:
        rest = spelled_out(rest)
    found = _MESSAGE.search(rest, 0, _HEAD_CHARS)
    if found is None or ("src.addr" not in rest and "dst.addr" not in rest):
        return None
    words = rest[: found.start()].split()
    if len(words) > 4 or any("=" in word for word in words):
        return None
    level = next((word.lower() for word in words if word.lower() in LOG_LEVELS), None)
    head = [stamp.replace(",", "."), *([level] if level else []), ACCESS_SCOPE]
    return Content("\t".join([*head, rest[found.start() :]]), origin=_origin(" ".join(words)), final=True)


# ---- control characters that a relay spelled out --------------------------------------------------------------------

_OCTAL_BYTES = lazy_pattern(r"(?:#[23][0-7]{2})+")
_SPELLINGS = (
    ("#011", lazy_pattern(r"#(0[0-3][0-7]|177)"), 8),
    ("\\011", lazy_pattern(r"\\(0[0-3][0-7]|177)"), 8),
    ("\\t", lazy_pattern(r"\\(t|n|r|e|x[01][0-9a-fA-F])"), 16),
    ("^I", lazy_pattern(r"\^([@-_])"), 0),
)
"""rsyslog; BSD's and other C programs, in octal and by letter (`parser.escapeControlCharactersCStyle`); `cat -A`."""

_LETTERS = {"t": 9, "n": 10, "r": 13, "e": 27}
_ESCAPE = r"(?:#033|\\033|\\e|\\x1[bB]|\^\[)(?:\[[0-9;]*+m)?"
"""A colour's, of which only the first character may be left: what follows was told as residue and removed."""

_SPELLED_HEAD = lazy_pattern(
    rf"(?:{_ESCAPE})*+\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z(?:{_ESCAPE})*+(?:#011|\\011|\\t|\^I)"
)
_LINE_END = lazy_pattern(r"(?:#012|\\012|\\n|\^J)(?=\d{4}-\d\d-\d\dT|\Z)")


def controls(text: str, memory: Memory) -> list[Content] | None:
    """`TIME#011LEVEL#011…`: rsyslog's octal escapes; also `^I` (`cat -A`, BSD) and backslash with octal digits."""
    del memory
    if "\t" in text or _SPELLED_HEAD.match(text) is None:
        return None
    lines = [spelled_out(line) for line in _LINE_END.split(text) if line]
    head = find_head(lines[0])
    return [Content(line) for line in lines] if head is not None and not head.start() else None


def spelled_out(text: str) -> str:
    """Control characters in place of their spelling before the fields, where tabs are spelled.

    In a value ztunnel itself writes control characters as escapes: what looks like a relay's spelling there is none.
    """
    end = text.find(f"{SOURCE_KEY}=")
    head, fields = (text, "") if end < 0 else (text[:end], text[end:])
    for tab, pattern, base in _SPELLINGS:
        if tab in head:
            pieces = pattern.split(head)
            pieces[1::2] = [chr(_code(code, base)) for code in pieces[1::2]]
            head = strip_sequences("".join(pieces)).replace("\x1b", "")
            if tab == "^I":
                fields = fields.removesuffix("$")
            break
    return head + _OCTAL_BYTES.sub(lambda found: _bytes_of(found[0]), fields)


def _code(spelled: str, base: int) -> int:
    if base == 8:
        return int(spelled, 8)
    return _LETTERS.get(spelled) or (int(spelled[1:], 16) if base else ord(spelled) - 64)


def _bytes_of(run: str) -> str:
    """UTF-8 whose bytes rsyslog spelled one by one (`$Escape8BitCharactersOnReceive`); as it is when it is none."""
    try:
        return bytes(int(one, 8) for one in run[1:].split("#")).decode()
    except ValueError:
        return run
