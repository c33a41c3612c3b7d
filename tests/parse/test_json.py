"""JSON lines: both shapes, and what shippers make of them."""

import json

import pytest

from ztflow.errors import ParseError, Reason
from ztflow.model.provenance import RECORD_NAMES
from ztflow.parse import has_near_key, scan, scan_fields, was_damaged

ISTIO = {
    "level": "info",
    "time": "2024-11-05T12:00:01.013201Z",
    "scope": "access",
    "message": "connection complete",
    "src.addr": "10.244.1.9:52344",
    "src.workload": "sleep-1",
    "src.identity": "spiffe://cluster.local/ns/client/sa/sleep",
    "dst.addr": "10.244.2.14:15008",
    "dst.hbone_addr": "10.244.2.14:8080",
    "direction": "outbound",
    "bytes_sent": 67,
    "bytes_recv": 490,
    "duration": "13ms",
}
TRACE = "cee846e6a138117562b6d7da882f4fe7"


def read(fields):
    row = scan_fields(fields)
    assert row is not None
    return dict(zip(RECORD_NAMES, row, strict=True))


def refusal(fields):
    with pytest.raises(ParseError) as caught:
        scan_fields(fields)
    return caught.value


def but(**change):
    return ISTIO | {key.replace("__", "."): value for key, value in change.items()}


def without(*keys):
    return {key: value for key, value in ISTIO.items() if key not in keys}


def test_text_and_object_give_the_same_row():
    text = json.dumps(ISTIO, separators=(",", ":"))
    assert scan(text) == scan_fields(ISTIO)
    assert scan("  " + json.dumps(ISTIO) + "\n") == scan_fields(ISTIO)
    assert not was_damaged(text)


def test_the_shape_of_1_22_0_carries_the_trace_id():
    fields = {"timestamp": ISTIO["time"], "level": "INFO", **without("level", "time", "scope"), "target": "access"}
    span = {"id": TRACE, "name": "outbound"}
    row = read(fields | {"span": span, "spans": [{"uid": "x", "name": "proxy"}, span]})
    assert row == {**read(ISTIO), "trace_id": TRACE}


@pytest.mark.parametrize(
    "spans", [{"span": {"name": "proxy", "id": TRACE}}, {"spans": "x"}, {"span": {"id": 5, "name": "inbound"}}]
)
def test_a_span_of_another_kind_gives_no_trace_id(spans):
    assert read(ISTIO | spans)["trace_id"] is None


@pytest.mark.parametrize(
    "fields", [but(scope="ztunnel::state"), but(scope=["access"]), but(scope="proxy"), but(scope=5), {}]
)
def test_the_scope_must_say_that_it_is_one(fields):
    assert scan_fields(fields) is None


@pytest.mark.parametrize("message", ["connection reset", 5, ["connection complete"], "x" * 10_000])
def test_an_unknown_message_with_all_fields_is_a_problem(message):
    assert refusal(but(message=message)).reason is Reason.BAD_VALUE
    assert scan_fields({"scope": "access", "message": message, "src.addr": "10.0.0.1:1"}) is None


def renamed(key, to):
    return {to if name == key else name: value for name, value in ISTIO.items()}


@pytest.mark.parametrize(
    "fields",
    [
        without("scope"), but(scope=None), without("message"), but(scope="acess"), but(scope="Access"), but(scope="acecss"),
        but(message="conection complete"), but(message="connection completed"), but(message="connection  complete"),
        but(message="Connection Complete"), renamed("scope", "scpe"), renamed("scope", "scopee"), renamed("message", "mesage"),
        renamed("message", "messgae"), renamed("time", "tim"), renamed("level", "levle"), but(level="inof"),
        {**renamed("scope", "tarket"), "timestamp": ISTIO["time"]}, renamed("time", "timestmap"),
    ],
)  # fmt: skip
def test_a_damaged_word_beside_whole_fields_is_read_and_told(fields):
    assert {name: value for name, value in read(fields).items() if name != "extra"} == {
        name: value for name, value in read(ISTIO).items() if name != "extra"
    }
    assert was_damaged("", fields)
    assert was_damaged(json.dumps(fields))


@pytest.mark.parametrize(
    "fields",
    [
        ISTIO, {**ISTIO, "_time": "2026-11-23T00:37:31Z", "@timestamp": "2026-11-23T00:37:31Z"},
        {"timestamp": ISTIO["time"], **without("time", "level"), "level": "INFO"}, without("time"), without("level"),
    ],
)  # fmt: skip
def test_what_is_no_damage_in_json(fields):
    assert scan_fields(fields) is not None
    assert not was_damaged("", fields)


def test_a_time_of_a_store_is_not_taken_for_the_lines_own():
    row = read({**without("time"), "times": "2026-11-23T00:37:31.213900000Z"})
    assert row["time"] is None
    assert dict(row["extra"]) == {"times": "2026-11-23T00:37:31.213900000Z"}


@pytest.mark.parametrize(
    ("key", "is_near"),
    [
        ("src.adr", True),
        ("dst.namespce", True),
        ("durations", True),
        ("src_zone", False),
        ("_error", False),
        ("code", False),
    ],
)
def test_a_key_one_edit_from_a_known_one_is_told_and_kept(key, is_near):
    row = scan_fields({**ISTIO, key: "x"})
    assert dict(zip(RECORD_NAMES, row, strict=True))["extra"] == {key: "x"}
    assert has_near_key(row) is is_near


@pytest.mark.parametrize(
    "fields",
    [
        {key.replace(".", "_"): value for key, value in ISTIO.items()},
        {**without("src.addr", "src.workload", "src.identity"), "src": {"addr": ISTIO["src.addr"], "workload": "sleep-1", "identity": ISTIO["src.identity"], "other": 1}},
        but(bytes_sent="67", bytes_recv=490.0),
        but(dst__service=None, kubernetes={"pod_name": "ztunnel-x"}, tags=["a"]),
        but(src_workload="sleep-1"),
        but(level="INFO"),
    ],
)  # fmt: skip
def test_what_shippers_do_to_the_keys(fields):
    assert read(fields) == read(ISTIO)


def test_unknown_scalars_are_kept_as_text():
    assert read(but(stream="stdout", retries=3, tls=True, load=0.5))["extra"] == {
        "stream": "stdout", "retries": "3", "tls": "true", "load": "0.5",
    }  # fmt: skip


def test_a_time_a_store_rewrote():
    assert read(but(time="2024-11-05 13:00:01.013201+0100"))["time"] == read(ISTIO)["time"]
    assert read(without("time"))["time"] is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (but(bytes_sent=-1), Reason.BAD_JSON),
        (but(bytes_sent=1.5), Reason.BAD_JSON),
        (but(bytes_sent=2**63), Reason.BAD_JSON),
        (but(bytes_sent=1e300), Reason.BAD_JSON),
        (but(bytes_sent=float("nan")), Reason.BAD_JSON),
        (but(bytes_sent=float("inf")), Reason.BAD_JSON),
        (but(bytes_sent=True), Reason.BAD_JSON),
        (but(bytes_sent=[67]), Reason.BAD_JSON),
        (but(src__workload=5), Reason.BAD_JSON),
        (but(src__workload=["x"]), Reason.BAD_JSON),
        (but(time=1730808001), Reason.BAD_JSON),
        (but(time="yesterday"), Reason.BAD_TIME),
        (but(src__addr="10.0.0.1"), Reason.BAD_VALUE),
        (but(duration="13"), Reason.BAD_VALUE),
        (but(src__workload="a\udc80"), Reason.UNDECODABLE),
        (but(src_workload="other"), Reason.REPEATED_FIELD),
        (without("duration"), Reason.MISSING_FIELD),
        (without("src.addr"), Reason.MISSING_FIELD),
        (but(message="connection failed"), Reason.MISSING_FIELD),
    ],
)
def test_a_value_that_does_not_fit_is_refused(fields, reason):
    assert refusal(fields).reason is reason


def test_a_refusal_names_the_place_in_the_text():
    text = json.dumps(but(duration="13"))
    with pytest.raises(ParseError) as caught:
        scan(text)
    assert text[caught.value.column - 1 :].startswith('13"')


@pytest.mark.parametrize("length", [120, 200, 300])
def test_a_cut_object_is_cut_short(length):
    text = json.dumps(ISTIO)[:length]
    with pytest.raises(ParseError) as caught:
        scan(text)
    assert caught.value.reason is Reason.CUT_SHORT


def test_an_object_that_lost_its_beginning_is_cut_short():
    with pytest.raises(ParseError) as caught:
        scan(json.dumps(ISTIO, separators=(",", ":"))[100:])
    assert caught.value.reason is Reason.CUT_SHORT


def test_an_access_line_that_is_not_json_is_a_problem():
    with pytest.raises(ParseError) as caught:
        scan(json.dumps(ISTIO).replace(": 67", ": sixty"))
    assert caught.value.reason is Reason.BAD_JSON
    assert caught.value.column is not None


def test_keys_that_repeat_follow_the_json_library():
    """JSON text with a repeated key decodes to the last one; ztunnel never writes that."""
    assert scan(json.dumps(ISTIO)[:-1] + ', "bytes_sent": 68}')[RECORD_NAMES.index("bytes_sent")] == 68
