"""What no name holds, no time and no duration goes past; the same on every road into a table."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_rows import own_record

from tests.parse.test_scanner import FIELDS, line, refusal
from ztflow.errors import ParseError, Reason
from ztflow.kernel.blocks import read_block
from ztflow.model.provenance import NOBODY, RECORD_NAMES
from ztflow.model.schema import FIELD_BY_KEY, Kind
from ztflow.parse import scan, scan_fields
from ztflow.parse.grammar import parse
from ztflow.parse.names import stamp_in_error, wrong_name
from ztflow.parse.scanner import scan_loosely

NAMES = [key for key, field in FIELD_BY_KEY.items() if field.kind in {Kind.TEXT, Kind.IDENTITY} and key != "error"]
WRONG = [
    "web-6b\n7f9c5d4", "web-6b\t7f9c5d4", "web 0", "web\x00", "web\x1b[0m", "web\u00a00", "web\u200b0", "web\u202e0", "web\x85",
    "spiffe://cluster.local2026-11-23T00:37:31.213900000Z/ns/shop/sa/web", "web2026-11-23 00:37:31", "websrc.namespace=shop",
    "spiffe://cluster.local/ns/...", "web\u2026", "web\u20130", "web-<snip>9q", "web-6b--8<--9q", "web[truncated]", "web\u21929q",
    "prober-59f8espace=monitoring", "a=b", "sh'op", "a,b", "web$", "we#011b", "we^Mb", "<web", "&quot;web",
    "spiffe//cluster.local/ns/shop/sa/web", "spife://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/n/shop/sa/web",
    "spiffe://cluster.local/ns/shopsa/web", "<spiffe://cluster.local/ns/shop/sa/web>", "spiffe://cluster.local/ns/shop/sa/",
]  # fmt: skip
RIGHT = [
    "web-6b7f9c5d4-x2x9q", "w\ufffdb", "NetworkGateway/network-b/2001:db8::1/0", "spiffe://cluster.local/ns/shop/sa/web", "日本", "Kubernetes",
    "backup-2026-11-23t00-37", "<workload>", "[redacted]", "***", "é", "*.example.com", "_http._tcp", "spiffe://a:8080/b",
]  # fmt: skip
WIDE_DAMAGE = st.sampled_from(
    ["\n", "\t", " ", "\r\n", "\x00", "2026-11-23T00:37:31.2139Z ", "\u00a0", "dst.service=", "..."]
)


def as_fields(**change):
    decoded = {
        key: int(text) if text.isdigit() else text.strip('"') if key != "error" else "x" for key, text in FIELDS.items()
    }
    return {"level": "error", "scope": "access", "message": "connection complete", **decoded, **change}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_names(text):
    assert wrong_name(text) is not None


@pytest.mark.parametrize("text", RIGHT)
def test_names(text):
    assert wrong_name(text) is None


@pytest.mark.parametrize("key", NAMES)
@pytest.mark.parametrize("text", [text for text in WRONG if text.isascii()])
def test_no_road_takes_a_wrong_name(key, text):
    """Template, tokenizer, grammar, decoded JSON flat, rewritten and nested."""
    plain = line(**{key.replace(".", "__"): f'"{text}"'})
    for read in (scan, scan_loosely, parse):
        with pytest.raises(ParseError) as caught:
            read(plain)
        assert caught.value.reason is Reason.BAD_VALUE
    outer, inner = key.split(".")
    without = {name: value for name, value in as_fields().items() if name != key}
    for fields in (as_fields(**{key: text}), without | {f"{outer}_{inner}": text}, without | {outer: {inner: text}}):
        with pytest.raises(ParseError) as caught:
            scan_fields(fields, orjson.dumps(fields).decode())
        assert caught.value.reason is Reason.BAD_VALUE


@pytest.mark.parametrize(
    "text", ["prober-59f8c7d6b-h5j6ksrc.namespace=monitoring", "web...", "web2026-11-23T00:37:31Z"]
)
def test_a_bare_name_that_swallowed_something(text):
    assert refusal(line(src__workload=text)).reason is Reason.BAD_VALUE


@pytest.mark.parametrize("column", ["src_workload", "dst_service", "ztunnel_pod", "src_ip", "hbone_host"])
def test_own_records_with_a_wrong_name(column):
    good = {"message": "complete", "direction": "inbound", "source_file": "my file.log"}
    assert own_record(good | {column: "web-0"}) is not None
    with pytest.raises(ParseError):
        own_record(good | {column: "web\n0"})


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(NAMES), st.integers(0, 40), WIDE_DAMAGE)
def test_compiled_and_careful_way_refuse_the_same_names(key, at, damage):
    value = FIELDS[key].strip('"')
    damaged = value[:at] + damage + value[at:]
    text = line(**{key.replace(".", "__"): f'"{damaged}"'})
    table, _, _ = read_block(f"{text}\n".encode(), lambda prefix: None if prefix else NOBODY)
    try:
        row = scan(text)
    except ParseError:
        row = None
    assert row is None
    assert not table.num_rows


def test_a_stamp_in_a_word_of_an_error():
    text = "io error: Connec2026-11-23T00:37:31.213900000Z tion refused"
    assert stamp_in_error(text) == 16
    assert refusal(line(error=f'"{text}"')).reason is Reason.BAD_VALUE
    table, _, _ = read_block(f"{line(error=chr(34) + text + chr(34))}\n".encode())
    assert not table.num_rows
    assert stamp_in_error("certificate has expired: current time 2026-11-23T00:37:31.213900000Z is after 2026") is None


MINUTE = "T00:00:00.000000Z"
RANGES = [
    ("1970-01-01", True),
    ("2261-12-31", True),
    ("1969-12-31", False),
    ("2262-01-01", False),
    ("0001-01-01", False),
]


@pytest.mark.parametrize(("day", "is_read"), RANGES)
def test_years_that_are_believed(day, is_read):
    text = line(head=f"{day}{MINUTE}\terror\taccess\tconnection complete\t")
    own = {"message": "complete", "direction": "inbound", "time": day + MINUTE}
    roads = [
        lambda: scan(text), lambda: scan_loosely(text), lambda: scan_fields(as_fields(time=day + MINUTE)),
        lambda: own_record(own),
    ]  # fmt: skip
    for road in roads:
        if is_read:
            assert road() is not None
        else:
            with pytest.raises(ParseError) as caught:
                road()
            assert caught.value.reason is Reason.BAD_TIME
    table, _, _ = read_block(f"{text}\n".encode())
    assert table.num_rows == is_read


def test_a_zone_does_not_lead_out_of_the_years():
    assert (
        refusal(line(head="1970-01-01T00:30:00.000000+01:00\terror\taccess\tconnection complete\t")).reason
        is Reason.BAD_TIME
    )


@pytest.mark.parametrize(
    ("millis", "is_read"), [(3_155_760_000_000, True), (3_155_760_000_001, False), (2**63 - 1, False)]
)
def test_a_hundred_years_is_the_longest_duration(millis, is_read):
    text = line(duration=f'"{millis}ms"')
    own = {"message": "complete", "direction": "inbound", "duration_ms": millis}
    for road in (lambda: scan(text), lambda: scan_fields(as_fields(duration=f"{millis}ms")), lambda: own_record(own)):
        if is_read:
            assert road() is not None
        else:
            with pytest.raises(ParseError) as caught:
                road()
            assert caught.value.reason is Reason.BAD_VALUE
    table, _, _ = read_block(f"{text}\n".encode())
    assert table.num_rows == is_read


def test_a_negative_duration_in_an_own_record():
    with pytest.raises(ParseError):
        own_record({"message": "complete", "direction": "inbound", "duration_ms": -1})


def test_the_row_of_a_right_line_is_as_before():
    row = dict(zip(RECORD_NAMES, scan(line()), strict=True))
    assert json.dumps(row["dst_identity"]) == FIELDS["dst.identity"]
