"""One line → one row: every field present, absent and odd; what is tolerated, and what is refused and why."""

import pytest

import ztflow
from ztflow.errors import InputError, ParseError, Reason
from ztflow.model.provenance import RECORD_NAMES
from ztflow.model.schema import LOG_FIELDS, REQUIRED_KEYS
from ztflow.model.vocabulary import Message
from ztflow.parse import scan, was_damaged
from ztflow.parse.scanner import scan_loosely

TIME = "2024-11-05T12:00:01.013201Z"
FIELDS = {
    "src.addr": "10.244.1.9:52344",
    "src.workload": '"sleep-7656cf8794-5kx2p"',
    "src.namespace": '"client"',
    "src.identity": '"spiffe://cluster.local/ns/client/sa/sleep"',
    "src.cluster": '"east"',
    "dst.addr": "10.244.2.14:15008",
    "dst.hbone_addr": "10.244.2.15:8080",
    "dst.service": '"httpbin.server.svc.cluster.local"',
    "dst.workload": '"httpbin-65975d4c6f-q8w7z"',
    "dst.namespace": '"server"',
    "dst.identity": '"spiffe://other.domain/ns/server/sa/httpbin"',
    "dst.cluster": '"west"',
    "direction": '"outbound"',
    "bytes_sent": "67",
    "bytes_recv": "490",
    "duration": '"13ms"',
    "error": '"io error: Connection refused (os error 111)"',
}
HEAD = f"{TIME}\terror\taccess\tconnection complete\t"


def line(head=HEAD, drop=(), **change):
    changed = {key.replace("__", "."): value for key, value in change.items()}
    fields = {key: changed.get(key, value) for key, value in FIELDS.items() if key not in drop}
    return head + " ".join(f"{key}={value}" for key, value in fields.items())


def read(text):
    row = scan(text)
    assert row is not None
    assert scan_loosely(text) == row, "the template and the tokenizer must agree"
    return dict(zip(RECORD_NAMES, row, strict=True))


def refusal(text):
    with pytest.raises(ParseError) as caught:
        scan(text)
    return caught.value


def test_the_sample_line_covers_the_field_table():
    assert list(FIELDS) == [field.key for field in LOG_FIELDS]


def test_every_column_of_a_full_line():
    assert read(line()) == {
        "time": 1_730_808_001_013_201,
        "level": "error",
        "message": "complete",
        "direction": "outbound",
        "src_ip": "10.244.1.9",
        "src_port": 52344,
        "src_workload": "sleep-7656cf8794-5kx2p",
        "src_namespace": "client",
        "src_identity": "spiffe://cluster.local/ns/client/sa/sleep",
        "src_trust_domain": "cluster.local",
        "src_service_account": "sleep",
        "src_cluster": "east",
        "dst_ip": "10.244.2.14",
        "dst_port": 15008,
        "hbone_host": "10.244.2.15",
        "hbone_port": 8080,
        "dst_service": "httpbin.server.svc.cluster.local",
        "dst_workload": "httpbin-65975d4c6f-q8w7z",
        "dst_namespace": "server",
        "dst_identity": "spiffe://other.domain/ns/server/sa/httpbin",
        "dst_trust_domain": "other.domain",
        "dst_service_account": "httpbin",
        "dst_cluster": "west",
        "bytes_sent": 67,
        "bytes_recv": 490,
        "duration_ms": 13,
        "error": "io error: Connection refused (os error 111)",
        "error_class": "refused",
        "trace_id": None,
        "extra": None,
    }


OPTIONAL = [field for field in LOG_FIELDS if Message.COMPLETE not in field.required and field.key != "error"]


@pytest.mark.parametrize("field", OPTIONAL, ids=lambda field: field.key)
def test_an_absent_optional_field_is_null_and_touches_no_other_column(field):
    whole, without = read(line()), read(line(drop=[field.key]))
    assert {name for name in RECORD_NAMES if whole[name] != without[name]} == set(field.columns)
    assert all(without[name] is None for name in field.columns)


@pytest.mark.parametrize("key", REQUIRED_KEYS[Message.COMPLETE])
def test_a_missing_mandatory_field_is_refused_by_name(key):
    error = refusal(line(drop=[key]))
    assert error.reason is Reason.MISSING_FIELD
    assert f"`{key}`" in error.detail


@pytest.mark.parametrize(
    ("key", "text", "columns"),
    [
        ("src.addr", "[2001:db8:1::9]:52344", {"src_ip": "2001:db8:1::9", "src_port": 52344}),
        ("src.addr", "[::1]:80", {"src_ip": "::1", "src_port": 80}),
        ("src.addr", "0.0.0.0:0", {"src_ip": "0.0.0.0", "src_port": 0}),
        ("dst.addr", "10.0.0.1:65535", {"dst_ip": "10.0.0.1", "dst_port": 65535}),
        ("dst.hbone_addr", '"10.0.0.1:80"', {"hbone_host": "10.0.0.1", "hbone_port": 80}),
        ("dst.hbone_addr", "httpbin.server.svc.cluster.local:8000", {"hbone_host": "httpbin.server.svc.cluster.local", "hbone_port": 8000}),
        ("dst.hbone_addr", "10.example.com:8000", {"hbone_host": "10.example.com", "hbone_port": 8000}),
        ("dst.hbone_addr", "[fe80::1%3]:80", {"hbone_host": "fe80::1%3", "hbone_port": 80}),
        ("dst.hbone_addr", "[::ffff:10.0.0.1]:80", {"hbone_host": "::ffff:10.0.0.1", "hbone_port": 80}),
        ("src.workload", "bare-name", {"src_workload": "bare-name"}),
        ("src.workload", r'"a\u{301}é日😀"', {"src_workload": "a\u0301é日😀"}),
        ("dst.workload", '"NetworkGateway/network-b/172.18.0.5/0"', {"dst_workload": "NetworkGateway/network-b/172.18.0.5/0"}),
        ("src.identity", '"spiffe://td/x"', {"src_identity": "spiffe://td/x", "src_trust_domain": None, "src_service_account": None}),
        ("direction", "inbound", {"direction": "inbound"}),
        ("bytes_sent", "9223372036854775807", {"bytes_sent": 2**63 - 1}),
        ("bytes_recv", "0", {"bytes_recv": 0}),
        ("duration", '"3155760000000ms"', {"duration_ms": 3_155_760_000_000}),
        ("duration", "0ms", {"duration_ms": 0}),
        ("error", r'"x \"a=1 src.addr=1.2.3.4:5\" y"', {"error": 'x "a=1 src.addr=1.2.3.4:5" y', "error_class": "other"}),
    ],
)  # fmt: skip
def test_a_value_is_understood_by_its_first_character(key, text, columns):
    row = read(line(**{key.replace(".", "__"): text}))
    assert {name: row[name] for name in columns} == columns
    assert row["extra"] is None


@pytest.mark.parametrize(
    ("key", "text", "columns"),
    [
        ("dst.addr", "10.0.x.x:15008", {"dst_ip": None, "dst_port": 15008}),
        ("dst.hbone_addr", "10.0.x.x:8480", {"hbone_host": None, "hbone_port": 8480}),
        ("src.addr", "10.0.x.x:57822", {"src_ip": None, "src_port": 57822}),
        ("src.addr", "****:4737", {"src_ip": None, "src_port": 4737}),
        ("src.addr", "<client-ip>:<port>", {"src_ip": None, "src_port": None}),
        ("src.addr", "[2001:db8::xxxx]:80", {"src_ip": None, "src_port": 80}),
        ("dst.hbone_addr", "redacted:80", {"hbone_host": None, "hbone_port": 80}),
        ("src.workload", '""', {"src_workload": None}),
        ("src.identity", '""', {"src_identity": None, "src_trust_domain": None, "src_service_account": None}),
        ("error", '""', {"error": None, "error_class": None}),
    ],
)
def test_what_a_column_cannot_hold_is_null_there_and_kept_in_extra(key, text, columns):
    row = read(line(**{key.replace(".", "__"): text}))
    assert {name: row[name] for name in columns} == columns
    assert row["extra"] == {key: text.strip('"')}


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("src.addr", "10.244.1.900:52344", Reason.BAD_VALUE),
        ("src.addr", "10.244.01.9:52344", Reason.BAD_VALUE),
        ("src.addr", "10.244.1.9", Reason.BAD_VALUE),
        ("src.addr", "10.244.1.9:65536", Reason.BAD_VALUE),
        ("src.addr", "example.com:80", Reason.BAD_VALUE),
        ("src.addr", "", Reason.BAD_VALUE),
        ("dst.addr", "[2001:db8::g]:80", Reason.BAD_VALUE),
        ("dst.hbone_addr", "httpbin", Reason.BAD_VALUE),
        ("direction", '"sideways"', Reason.BAD_VALUE),
        ("direction", '"Outbound"', Reason.BAD_VALUE),
        ("bytes_sent", "-1", Reason.BAD_VALUE),
        ("bytes_sent", "6.7", Reason.BAD_VALUE),
        ("bytes_sent", "9223372036854775808", Reason.BAD_VALUE),
        ("bytes_recv", "18446744073709551615", Reason.BAD_VALUE),
        ("bytes_sent", "9" * 5000, Reason.BAD_VALUE),
        ("bytes_sent", "٦٧", Reason.BAD_VALUE),
        ("duration", '"13"', Reason.BAD_VALUE),
        ("duration", '"1.5s"', Reason.BAD_VALUE),
        ("duration", '"9223372036854775808ms"', Reason.BAD_VALUE),
        ("src.workload", r'"\x41"', Reason.BAD_ESCAPE),
        ("src.workload", r'"\u{110000}"', Reason.BAD_ESCAPE),
        ("src.workload", r'"\u{d800}"', Reason.BAD_ESCAPE),
        ("src.workload", r'"\u{0301}"', Reason.BAD_ESCAPE),
        ("src.workload", r'"it\'s"', Reason.BAD_ESCAPE),
        ("src.workload", '"a"b', Reason.BAD_SYNTAX),
        ("src.workload", 'a"b"', Reason.BAD_SYNTAX),
        ("src.workload", "a b", Reason.BAD_SYNTAX),
        ("src.workload", "a\nb", Reason.BAD_SYNTAX),
        ("src.workload", '"a\udc80"', Reason.UNDECODABLE),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_where_it_stands(key, text, reason):
    broken = line(**{key.replace(".", "__"): text})
    error = refusal(broken)
    assert error.reason is reason
    assert isinstance(error, InputError)
    if reason in {Reason.BAD_VALUE, Reason.BAD_ESCAPE}:
        begin = broken.index(f"{key}=") + len(key) + 1
        assert begin <= error.column - 1 <= begin + len(text)


@pytest.mark.parametrize(
    "time",
    ["2024-13-05T12:00:01.013201Z", "2024-02-30T12:00:01.013201Z", "2024-11-05T24:00:01.013201Z", "2024-11-05T12:00:61.013201Z",
     "2024-11-05T12:00:01.013201", "2024-11-05", "17308", "0001-01-01T00:00:00+23:59"],
)  # fmt: skip
def test_a_time_that_is_none_is_refused(time):
    error = refusal(line(HEAD.replace(TIME, time)))
    assert (error.reason, error.column) == (Reason.BAD_TIME, 1)


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("2024-11-05T12:00:01Z", 1_730_808_001_000_000),
        ("2024-11-05T12:00:01.0132Z", 1_730_808_001_013_200),
        ("2024-11-05T12:00:01.013201999Z", 1_730_808_001_013_201),
        ("2024-11-05T13:30:01.013201+01:30", 1_730_808_001_013_201),
        ("2024-02-29T00:00:00.000000Z", 1_709_164_800_000_000),
    ],
)
def test_other_spellings_of_a_time(time, micros):
    assert read(line(HEAD.replace(TIME, time)))["time"] == micros


@pytest.mark.parametrize("rest", ["23:25:37.932494Z", "T12:00:01.013201Z", "-05T12:00:01.013201Z", "01Z", "Z"])
def test_a_time_that_lost_its_beginning_is_kept_as_text_and_never_completed(rest):
    row = read(line(HEAD.replace(TIME, rest)))
    assert (row["time"], row["extra"]) == (None, {"time": rest})


@pytest.mark.parametrize(
    ("head", "level"),
    [
        (HEAD.replace("\t", " "), "error"),
        (HEAD.replace("\t", "     "), "error"),
        ("    " + HEAD.replace("\t", "    "), "error"),
        (HEAD.replace("error", "ERROR"), "error"),
        (f"{TIME}  ERROR access: connection complete ", "error"),
        ("error\taccess\tconnection complete\t", "error"),
        ("access\tconnection complete\t", None),
        ("connection complete ", None),
        ("info connection complete ", "info"),
        (f"{TIME} 오류 access connection complete ", None),
        ("", None),
    ],
)
def test_what_hands_do_to_the_head(head, level):
    row = read(line(head))
    assert row["level"] == level
    assert row["message"] == "complete"
    assert row["time"] == (1_730_808_001_013_201 if TIME in head else None)
    assert row["bytes_recv"] == 490
    assert was_damaged(line(head))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("direction=", "direction  ="),
        lambda text: text.replace("direction=", "direction= "),
        lambda text: text.replace('" ', '"  '),
        lambda text: text.replace(" dst", "\tdst"),
    ],
)
def test_blanks_around_a_known_key_are_damage_that_can_be_read(change):
    hurt = change(line())
    assert read(hurt) == read(line())
    assert was_damaged(hurt)
    assert not was_damaged(line())


def test_blanks_inside_an_error_are_not_damage():
    text = line(error='"a  b = c"')
    assert read(text)["error"] == "a  b = c"
    assert not was_damaged(text)
    assert not was_damaged(line() + "\n")


def test_blanks_before_the_equals_sign_of_an_unknown_key_are_not_read():
    assert refusal(line() + " method =GET").reason is Reason.BAD_SYNTAX


def test_unknown_keys_are_kept_wherever_they_stand():
    text = line().replace(" direction", ' path="/a b" method=GET direction')
    row = read(text)
    assert row["extra"] == {"path": "/a b", "method": "GET"}
    assert row["direction"] == "outbound"


def test_fields_in_another_order_are_the_same_record():
    reordered = HEAD + " ".join(f"{key}={value}" for key, value in reversed(FIELDS.items()))
    assert read(reordered) == read(line())


@pytest.mark.parametrize("key", ["src.addr", "bytes_sent", "src.workload"])
def test_a_repeated_key_is_refused(key):
    error = refusal(line().replace(" direction", f" {key}={FIELDS[key]} direction"))
    assert error.reason is Reason.REPEATED_FIELD
    assert key in error.detail


def test_glued_lines_are_refused_where_they_meet():
    error = refusal(line() + line())
    assert error.reason is Reason.BAD_SYNTAX
    assert error.column == len(line()) + 1


def test_text_before_the_line_is_a_problem_never_a_silence():
    error = refusal("some-collector: " + line())
    assert (error.reason, error.column) == (Reason.BAD_SYNTAX, 1)


@pytest.mark.parametrize("begin", [70, 200, 300, 400])
def test_a_line_that_lost_its_beginning_is_cut_short(begin):
    assert refusal(line()[begin:]).reason is Reason.CUT_SHORT


FAILED = f'{TIME}\twarn\taccess\tconnection failed\tsrc.addr=10.244.1.9:52350 dst.addr=10.96.40.11:8000 direction="outbound" error='


@pytest.mark.parametrize(
    ("error", "read_as"),
    [
        ('"no healthy upstream: 10.96.40.11:8000"', "no healthy upstream: 10.96.40.11:8000"),
        ("unknown source: 10.244.1.9", "unknown source: 10.244.1.9"),
        ("unknown source: 10.244.1.9  ", "unknown source: 10.244.1.9"),
        ('oh "quotes" and k=v', 'oh "quotes" and k=v'),
    ],
)
def test_the_error_of_a_failed_connection_quoted_or_bare_to_the_end(error, read_as):
    row = read(FAILED + error)
    assert (row["message"], row["error"]) == ("failed", read_as)


def test_a_failed_line_without_head_is_known_by_its_fields():
    row = read(
        'src.addr=10.244.2.46:36260 dst.addr=10.96.192.249:80 direction="outbound" error=unknown waypoint: no such'
    )
    assert (row["message"], row["error_class"], row["time"]) == ("failed", "unknown_waypoint", None)


def test_a_failed_line_that_ends_at_its_error_is_cut():
    assert refusal(FAILED).reason is Reason.CUT_SHORT


def test_the_drafts_of_1_22_left_the_byte_counts_out_beside_an_error():
    row = read(line(drop=["bytes_sent", "bytes_recv"]))
    assert (row["bytes_sent"], row["bytes_recv"], row["duration_ms"]) == (None, None, 13)
    assert refusal(line(drop=["bytes_sent"])).reason is Reason.MISSING_FIELD


def test_an_error_level_line_without_its_error_was_cut():
    assert refusal(line(drop=["error"])).reason is Reason.CUT_SHORT
    assert read(line(HEAD.replace("error", "info"), drop=["error"]))["error"] is None


def test_opened_lines_end_at_the_direction():
    head = HEAD.replace("complete", "opened").replace("error", "debug")
    row = read(line(head, drop=["bytes_sent", "bytes_recv", "duration", "error"]))
    assert (row["message"], row["bytes_sent"]) == ("opened", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "access",
        "access connection",
        'direction="inbound"',
        "dst.hbone_addr=192.168.184.74:80",
        "the connection complete message",
        "src.addr=10.0.0.1:80 is the client",
        f"{TIME}\tinfo\taccess\tsomething else\tsrc.addr=1.2.3.4:5",
        f"{TIME}\tinfo\tproxy::inbound\tlistener established\taddress=[::]:15008",
        f"{TIME}\tdebug\tproxy::outbound\tconnection complete\t" + " ".join(f"{k}={v}" for k, v in FIELDS.items()),
        f'{TIME}\tinfo\thttp access\trequest complete\tsrc.addr=1.2.3.4:5 dst.addr=1.2.3.4:6 direction="inbound" method=GET',
        f"{TIME}  INFO ztunnel::proxy::inbound_passthrough: connection complete source=1.2.3.4:5 destination=1.2.3.4:6",
        "{}",
        "{not json",
        '{"scope":"ztunnel::state","message":"x"}',
        "[1, 2]",
    ],
)  # fmt: skip
def test_what_is_not_an_access_line_is_none(text):
    assert scan(text) is None
    assert ztflow.parse_line(text) is None


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t\n", "\n\n"])
def test_a_line_end_may_follow(end):
    assert scan(line() + end) == scan(line())


def test_parse_line_gives_a_frozen_record():
    record = ztflow.parse_line(line() + "\n")
    assert record.src_addr == "10.244.1.9:52344"
    assert record.time.isoformat() == "2024-11-05T12:00:01.013201+00:00"
    with pytest.raises(ValueError, match="frozen"):
        record.bytes_sent = 1


def test_memory_of_what_was_seen_is_bounded():
    from ztflow.parse import values

    for number in range(values.VALUES_KEPT + 10):
        scan(
            line(
                src__addr=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}:1",
                src__identity=f'"spiffe://t/ns/n/sa/{number}"',
            )
        )
    for remembered in (values.ip_of, values.identity_parts, values.minute_micros):
        assert remembered.cache_info().currsize <= remembered.cache_info().maxsize == values.VALUES_KEPT


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2024-11-05T12:00:01+25:00", Reason.BAD_TIME),
        ("2024-11-05T12:00:01+01:77", Reason.BAD_TIME),
        ("-", Reason.BAD_TIME),
    ],
)
def test_time_zones_that_are_none(time, reason):
    assert refusal(line(HEAD.replace(TIME, time))).reason is reason


@pytest.mark.parametrize("address", ["[::1:80", "[::1]:80x", "10.0.0.1:", "10.0.x.x:99999"])
def test_addresses_that_end_wrong(address):
    assert refusal(line(src__addr=address)).reason is Reason.BAD_VALUE


@pytest.mark.parametrize(
    "text", [f"{HEAD}\udc80", f"{HEAD}src.addr=\udc80", "src.addr=1.2.3.4:5 src.workload=\udc80 " + line("")[26:]]
)
def test_bytes_that_are_not_text_never_become_a_record(text):
    from ztflow.parse.grammar import parse

    error = refusal(text)
    with pytest.raises(ParseError) as by_grammar:
        parse(text)
    assert (by_grammar.value.reason, by_grammar.value.column) == (error.reason, error.column)
