"""Expositions: which text is read how, whose it is, when it was made, and what is refused."""

from __future__ import annotations

import os

import pytest

from ztflow.counters import is_exposition, read_scrapes
from ztflow.counters.scrapes import Key, parse_scrape
from ztflow.errors import SourceError, UsageError

LABELS = (
    'reporter="{}",source_workload="w",source_workload_namespace="a",source_principal="spiffe://x/ns/a/sa/w",'
    'destination_workload_namespace="b",destination_principal="spiffe://x/ns/b/sa/v",destination_service="unknown",'
    'response_flags="{}",connection_security_policy="{}"'
)
OPENMETRICS = "# HELP istio_tcp_connections_closed x.\n# TYPE istio_tcp_connections_closed counter\n{}# EOF\n"
CLASSIC = "# HELP istio_tcp_connections_closed_total x\n# TYPE istio_tcp_connections_closed_total counter\n{}"


def sample(count, reporter="source", flags="-", security="mutual_tls", more=""):
    return f"istio_tcp_connections_closed_total{{{LABELS.format(reporter, flags, security)}{more}}} {count}\n"


@pytest.mark.parametrize("form", [OPENMETRICS, CLASSIC], ids=["openmetrics", "classic"])
def test_both_text_formats_give_the_counters_by_the_names_that_stand_in_lines(form):
    text = form.format(sample(3) + sample(2, flags="DENY") + sample(4, "destination", security="unknown"))
    [scrape] = parse_scrape(text.encode(), "m", "ztunnel-4k7rb")
    encrypted = Key("outbound", "a", "spiffe://x/ns/a/sa/w", "b", "spiffe://x/ns/b/sa/v", None, mtls=True)
    assert scrape.closed == {encrypted: 5, Key("inbound", "a", None, "b", None, None, mtls=False): 4}
    assert scrape.denied == {encrypted: 2}
    assert scrape.total == 9


def test_counters_that_prometheus_hands_on_are_kept_apart_by_pod():
    pods = "".join(sample(count, more=f',pod="ztunnel-{pod}",app="ztunnel"') for pod, count in (("a", 1), ("b", 2)))
    gateway = sample(9, more=',pod="gateway",app="istio-ingressgateway"')
    made = parse_scrape((CLASSIC.format(pods + gateway)).encode(), "m")
    assert [(scrape.ztunnel, scrape.total) for scrape in made] == [("ztunnel-a", 1), ("ztunnel-b", 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OPENMETRICS.format(sample(3)).removesuffix("# EOF\n"), "cut: no `# EOF`"),
        ("# TYPE go_threads gauge\ngo_threads 3\n", "no counter of a ztunnel"),
        (OPENMETRICS.format(sample(3).replace("} 3", "} three")), "no Prometheus or OpenMetrics text"),
        (CLASSIC.format(sample("-1")), "counts -1"),
        (CLASSIC.format(sample("NaN")), "counts nan"),
        (CLASSIC.format(sample("+Inf")), "counts inf"),
        ("", "no counter of a ztunnel"),
    ],
)
def test_what_cannot_be_counted_on_is_refused_in_one_line(text, said):
    with pytest.raises(SourceError, match=said):
        parse_scrape(text.encode(), "m")


def test_a_ztunnel_that_has_counted_nothing_yet_is_no_error():
    [scrape] = parse_scrape(b'# TYPE istio_build gauge\nistio_build{component="ztunnel"} 1\n# EOF\n', "m", "z")
    assert (scrape.ztunnel, scrape.closed) == ("z", {})


def file(tmp_path, name):
    path = tmp_path / name
    path.write_text(OPENMETRICS.format(sample(1)))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return str(path)


@pytest.mark.parametrize(
    ("name", "before", "after", "pod", "time", "source"),
    [
        ("ztunnel-4k7rb.prom", "", "", "ztunnel-4k7rb", 1_700_000_000, "from the file's own time"),
        ("x.prom", "ztunnel-9xw2d=", "@2026-01-01T00:00:00Z", "ztunnel-9xw2d", 1_767_225_600, "as given"),
        ("x.prom", "", "@1767225600.5", None, 1_767_225_600.5, "as given"),
        ("ztunnel-4k7rb-2026-01-01T00:00:00Z.prom", "", "", "ztunnel-4k7rb", 1_767_225_600, "from the file's name"),
        ("ztunnel-4k7rb.1767225600.prom", "", "", "ztunnel-4k7rb", 1_767_225_600, "from the file's name"),
        ("a=b@1767225600.prom", "", "", None, 1_767_225_600, "from the file's name"),
    ],
)
def test_pod_and_time_of_a_file(tmp_path, name, before, after, pod, time, source):
    [scrape] = read_scrapes(f"{before}{file(tmp_path, name)}{after}")
    assert (scrape.ztunnel, scrape.time, scrape.time_from) == (pod, int(time * 1_000_000), source)


def test_folders_and_patterns_give_all_counters_in_them(tmp_path):
    file(tmp_path, "a.prom")
    file(tmp_path, "b.prom")
    (tmp_path / "notes.txt").write_text("none")
    assert len(read_scrapes(str(tmp_path))) == len(read_scrapes(f"{tmp_path}/*.prom")) == 2
    assert is_exposition(b"\n# TYPE a counter\n")
    assert not is_exposition(b"2026-01-01T00:00:00Z\tinfo\taccess\tconnection complete")


def test_files_that_are_not_there_and_times_that_are_none(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_scrapes(str(tmp_path / "gone.prom"))
    with pytest.raises(UsageError, match="'yesterday' is no time"):
        read_scrapes(f"{tmp_path}/a.prom@yesterday")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no file of counters"):
        read_scrapes(str(tmp_path / "empty"))
