"""What other lines say: plain and JSON, with tabs and without."""

import collections

import pytest

from tests.parse import examples
from ztflow.model.provenance import LogLine, Origin
from ztflow.parse import fact_of

T = "2024-11-05T12:00:01.013201Z"
MICROS = 1_730_808_001_013_201
TRACE = "0af7651916cd43dd8448eb211c80319c"
WL = "proxy{wl=server/httpbin-q8w7z}"
IN = f"inbound{{id={TRACE} peer=10.244.1.9:41873}}"


def said(text, fields=None):
    fact = fact_of(LogLine(text, 7, Origin(pod="ztunnel-x"), fields), "a.log")
    if fact is None:
        return None
    assert (fact.origin.pod, fact.source_file, fact.line_number) == ("ztunnel-x", "a.log", 7)
    return fact.kind, fact.values


def test_a_fact_has_the_time_of_its_line():
    assert (
        fact_of(LogLine(f'{T}\tinfo\tinpod::statemanager\tpod keep received. will not\tuid="u"', 1), "-").time == MICROS
    )
    assert fact_of(LogLine('info inpod::statemanager pod keep received. will not uid="u"', 1), "-").time is None


VERSION = 'version: version.BuildInfo{Version:"1226", GitRevision:"1226c1b3", RustVersion:"1.82.0", BuildStatus:"Clean", GitTag:"1.24.0", IstioVersion:"1.24.0"}'
REQUEST = (
    "conn=10.244.1.9:41873(spiffe://cluster.local/ns/client/sa/sleep)->10.244.2.14:15008 req=H2Request { request: Parts { method: CONNECT, "
    'uri: 10.244.2.14:8080, version: HTTP/2.0, headers: {"baggage": "k8s.namespace.name=client,service.name=sleep", '
    '"forwarded": "for=\\"10.244.1.9:52344\\";host=httpbin.server.svc.cluster.local", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"} } }'
)
CONNECT_REQUEST = {
    "trace_id": TRACE, "peer_ip": "10.244.1.9", "peer_port": 41873, "peer_identity": "spiffe://cluster.local/ns/client/sa/sleep",
    "dst_ip": "10.244.2.14", "dst_port": 15008, "hbone_host": "10.244.2.14", "hbone_port": 8080,
    "client_ip": "10.244.1.9", "client_port": 52344, "service": "httpbin.server.svc.cluster.local",
    "baggage": {"k8s.namespace.name": "client", "service.name": "sleep"}, "pod": "server/httpbin-q8w7z",
}  # fmt: skip
POLICY = {
    "dry_run": False,
    "trace_id": TRACE,
    "peer_ip": "10.244.1.9",
    "peer_port": 41873,
    "pod": "server/httpbin-q8w7z",
}


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        (f"{T}\tinfo\tztunnel\t{VERSION}\t", "version", {"version": "1.24.0", "git_tag": "1.24.0", "git_revision": "1226c1b3", "rust_version": "1.82.0"}),
        (f"{T}  INFO ztunnel: " + VERSION.replace('IstioVersion:"1.24.0"', 'IstioVersion:"unknown"'), "version", {"git_tag": "1.24.0", "git_revision": "1226c1b3", "rust_version": "1.82.0"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod received, starting proxy\tuid="u-1" name="sleep-1" namespace="client"', "pod_here", {"uid": "u-1", "name": "sleep-1", "namespace": "client", "evidence": "received"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod received, starting proxy\tuid="u-1" name="" namespace=""', "pod_here", {"uid": "u-1", "evidence": "received"}),
        (f'{T} info inpod::statemanager pod received, starting proxy uid="u-1" name="sleep-1" namespace="client"', "pod_here", {"uid": "u-1", "name": "sleep-1", "namespace": "client", "evidence": "received"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod WorkloadUid("u-1") received netns, starting proxy\t', "pod_here", {"uid": "u-1", "evidence": "received"}),
        (f'{T}  INFO ztunnel::inpod::statemanager: pod WorkloadUid("u-1") received netns, starting proxy', "pod_here", {"uid": "u-1", "evidence": "received"}),
        (f'{T} 정보 inpod::statemanager pod WorkloadUid("u-1")가 netns를 수신하고 프록시를 시작합니다.', "pod_here", {"uid": "u-1", "evidence": "received"}),
        (f'{T}\tdebug\tinpod::statemanager\tstarting proxy\tworkload=WorkloadUid("u-1") workload_info=WorkloadInfo {{ name: "web-1", namespace: "shop", service_account: "web" }} netns_id=NetnsID {{ inode: 1 }}', "pod_here", {"uid": "u-1", "name": "web-1", "namespace": "shop", "service_account": "web", "evidence": "received"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod keep received. will not delete it when snapshot is sent\tuid="u-1"', "pod_kept", {"uid": "u-1"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod delete request, shutting down proxy\tuid="u-1"', "pod_gone", {"uid": "u-1"}),
        (f'{T}\tinfo\tinpod::statemanager\tpod delete request, draining proxy\tuid="u-1"', "pod_gone", {"uid": "u-1"}),
        (f'{T}\tinfo\tdrain:{WL}\tshutdown complete\tcomponent="outbound"', "pod_here", {"namespace": "server", "name": "httpbin-q8w7z", "evidence": "span"}),
        (f"{T}\twarn\thyper_util:proxy{{uid=u-1}}\tTLS handshake error: x\t", "pod_here", {"uid": "u-1", "evidence": "span"}),
        (f'{T}\tinfo\tstate:{WL}:{IN}\tdeny policy match\tpolicy="server/deny-sleep"', "policy", {"decision": "deny", "policy": "server/deny-sleep", **POLICY}),
        (f'{T} info state:{WL}:{IN} dry-run: deny policy match policy="server/deny-sleep"', "policy", {"decision": "deny", "policy": "server/deny-sleep", **POLICY, "dry_run": True}),
        (f'{T}\tinfo\tstate:{WL}:{IN}\tdry-run deny policy match\tpolicy="server/deny-sleep"', "policy", {"decision": "deny", "policy": "server/deny-sleep", **POLICY, "dry_run": True}),
        (f'{T}\tdebug\tstate:{WL}:{IN}\tallow policy match\tpolicy="secure/only-web"', "policy", {"decision": "allow", "policy": "secure/only-web", **POLICY}),
        (f"{T}\tdebug\tstate:{WL}:{IN}\tno allow policies, allow\t", "policy", {"decision": "no_policies", "policy": None, **POLICY}),
        (f"{T}\tdebug\tstate:{WL}:{IN}\tno allow policies matched\t", "policy", {"decision": "no_match", "policy": None, **POLICY}),
        (f"{T} info state:{WL}:{IN} dry-run: no allow policies match", "policy", {"decision": "no_match", "policy": None, **POLICY, "dry_run": True}),
        (f"{T}\tinfo\tproxy::connection_manager:{WL}\tconnection 10.244.1.9:41873(spiffe://t/ns/c/sa/s)->10.244.2.14:8080 (Kubernetes//Pod/server/httpbin-q8w7z) closed because it's no longer allowed after a policy update\t", "policy_cut", {"peer_ip": "10.244.1.9", "peer_port": 41873, "peer_identity": "spiffe://t/ns/c/sa/s", "dst_ip": "10.244.2.14", "dst_port": 8080, "pod": "server/httpbin-q8w7z"}),
        (f"{T}\tdebug\tproxy::inbound:{WL}:{IN}\treceived request\t{REQUEST}", "connect_request", CONNECT_REQUEST),
        (f"{T}    debug    proxy::inbound:{WL}:{IN}    received request    {REQUEST}", "connect_request", CONNECT_REQUEST),
        (f"{T}\tdebug\tproxy::inbound:{WL}\treceived request\t{REQUEST}", "connect_request", CONNECT_REQUEST),
        (f'{T}\tdebug\tproxy::outbound:{WL}:outbound{{id={TRACE}}}\tconnection started\tcomponent="outbound"', "outbound_trace", {"trace_id": TRACE, "event": "started", "duration_us": None, "pod": "server/httpbin-q8w7z"}),
        (f'{T}\tdebug\tproxy::outbound:{WL}:outbound{{id={TRACE}}}\tconnection completed\tcomponent="outbound" dur=922.168µs', "outbound_trace", {"trace_id": TRACE, "event": "completed", "duration_us": 922, "pod": "server/httpbin-q8w7z"}),
        (f'{T}\tdebug\tdns\tsrc.workload="sleep" src.namespace="client" query="A" domain="x.y." result="success" endpoints=0', "dns_query", {"src_workload": "sleep", "src_namespace": "client", "query": "A", "domain": "x.y.", "result": "success"}),
    ],
)  # fmt: skip
def test_plain_lines(text, kind, values):
    assert said(text) == (kind, values)


@pytest.mark.parametrize(
    "forwarded",
    ['for=\\"[fd00:10:244:1::c]:40312\\"', 'for=\\"[fd00:10:244:1::c]:40312\\";host=x.y'],
)
def test_ipv6_clients_of_a_request(forwarded):
    request = REQUEST.replace('for=\\"10.244.1.9:52344\\";host=httpbin.server.svc.cluster.local', forwarded)
    _, values = said(f"{T}\tdebug\tproxy::inbound:{WL}:{IN}\treceived request\t{request}")
    assert (values["client_ip"], values["client_port"]) == ("fd00:10:244:1::c", 40312)


@pytest.mark.parametrize(
    ("fields", "kind", "values"),
    [
        ({"scope": "ztunnel", "message": VERSION}, "version", {"version": "1.24.0", "git_tag": "1.24.0", "git_revision": "1226c1b3", "rust_version": "1.82.0"}),
        ({"scope": "ztunnel::inpod::statemanager", "message": "pod received, starting proxy", "uid": "u", "name": "n", "namespace": "s"}, "pod_here", {"uid": "u", "name": "n", "namespace": "s", "evidence": "received"}),
        ({"target": "ztunnel::inpod::statemanager", "message": 'pod WorkloadUid("u") received netns, starting proxy'}, "pod_here", {"uid": "u", "evidence": "received"}),
        ({"scope": "ztunnel::state", "message": "deny policy match", "policy": "a/b", "proxy": {"wl": "server/httpbin-q8w7z"}, "inbound": {"id": TRACE, "peer": "10.244.1.9:41873"}}, "policy", {"decision": "deny", "policy": "a/b", **POLICY}),
        ({"scope": "ztunnel::proxy::inbound", "message": "received request", "conn": REQUEST.split(" ", maxsplit=1)[0][5:], "req": REQUEST.split("req=")[1], "proxy": {"wl": "server/httpbin-q8w7z"}, "inbound": {"id": TRACE}}, "connect_request", CONNECT_REQUEST),
        ({"target": "ztunnel::drain", "message": "x", "span": {"uid": "u", "name": "proxy"}, "spans": [{"uid": "u", "name": "proxy"}]}, "pod_here", {"uid": "u", "evidence": "span"}),
        ({"scope": "ztunnel::inpod::statemanager", "message": "starting proxy", "workload": 'WorkloadUid("u")', "workload_info": 'WorkloadInfo { name: "n", namespace: "s", service_account: "a" }'}, "pod_here", {"uid": "u", "name": "n", "namespace": "s", "service_account": "a", "evidence": "received"}),
    ],
)  # fmt: skip
def test_json_lines(fields, kind, values):
    assert said("{}", fields) == (kind, values)


def test_objects_of_a_shipper_are_no_spans():
    fields = {"scope": "ztunnel::app", "message": "x", "kubernetes": {"uid": "u", "wl": "a/b", "id": TRACE}}
    assert said("{}", fields) is None
    assert said("{}", fields | {"proxy": {"wl": "c/d"}}) == (
        "pod_here",
        {"namespace": "c", "name": "d", "evidence": "span"},
    )


CONFIG = """running with config: proxy: true
socks5Addr: null
adminAddr: !Localhost
- true
network: ''
localNode: node-a
proxyMode: Shared
clusterId: Kubernetes
clusterDomain: cluster.local
  localNode: not-this
"""
CONFIG_FACT = {
    "network": None,
    "node": "node-a",
    "proxy_mode": "Shared",
    "cluster_id": "Kubernetes",
    "cluster_domain": "cluster.local",
}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (f"{T}\tinfo\tztunnel\t{CONFIG}\t", None),
        (f"{T} info ztunnel {CONFIG}", None),
        (f"{T}  INFO ztunnel: " + CONFIG.replace("localNode: n", "local_node: n").replace("proxyMode", "proxy_mode").replace("clusterId", "cluster_id").replace("clusterDomain", "cluster_domain"), None),
        ("{}", {"scope": "ztunnel", "message": CONFIG}),
    ],
)  # fmt: skip
def test_the_configuration_names_the_node(text, fields):
    assert said(text, fields) == ("local_node", CONFIG_FACT)


@pytest.mark.parametrize("node", ["''", "null", "~"])
def test_a_configuration_without_a_node_says_nothing(node):
    assert said(f"{T}\tinfo\tztunnel\trunning with config: proxy: true\nlocalNode: {node}\n") is None
    assert said(f"{T}\tinfo\tztunnel\trunning with config: proxy: true") is None


def test_quoted_yaml_scalars():
    _, values = said(
        f"{T}\tinfo\tztunnel\trunning with config: proxy: true\nlocalNode: '123'\nclusterId: \"a\"\nnetwork: 'it''s'\n"
    )
    assert values == {"node": "123", "cluster_id": "a", "network": "it's"}


def test_opened_lines_say_what_their_row_says():
    line = f'{T}\tdebug\taccess\tconnection opened\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:2 direction="inbound"'
    assert said(line) == (
        "opened",
        {
            "level": "debug",
            "message": "opened",
            "direction": "inbound",
            "src_ip": "10.0.0.1",
            "src_port": 1,
            "dst_ip": "10.0.0.2",
            "dst_port": 2,
        },
    )
    assert said(line[:-12]) is None
    assert said(line.replace("opened", "failed") + ' error="x"') is None


LEGACY = {"direction": "outbound", "trace_id": TRACE}
LEGACY_IN = {"direction": "inbound", "trace_id": TRACE, "src_ip": "10.244.1.9", "src_identity": "spiffe://c/ns/n/sa/s"}
OUT18, IN18 = (
    f"{T}  INFO outbound{{id={TRACE}}}: ztunnel::proxy::outbound: ",
    f"{T}  INFO inbound{{id={TRACE} peer_ip=10.244.1.9 peer_id=spiffe://c/ns/n/sa/s}}: ztunnel::proxy::inbound: ",
)
PASS18 = f"{T}  INFO ztunnel::proxy::inbound_passthrough: "
ENDED = {"duration_us": None, "error": None, "error_class": None}
PLAIN = {
    "direction": "inbound",
    "trace_id": None,
    "src_ip": "10.244.3.77",
    "src_port": 39864,
    "src_identity": None,
    "dst_ip": "10.244.2.14",
    "dst_port": 8080,
    "path": "plaintext",
}


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        (OUT18 + "proxy to 10.0.0.2:80 using HBONE via 10.0.0.2:15008 type Direct", "legacy_start", {**LEGACY, "dst_ip": "10.0.0.2", "dst_port": 80, "via_ip": "10.0.0.2", "via_port": 15008, "path": "hbone"}),
        (OUT18 + "proxy to 10.9.0.2:80 using HBONE via 10.0.0.3:15008 type ToServerWaypoint", "legacy_start", {**LEGACY, "dst_ip": "10.9.0.2", "dst_port": 80, "via_ip": "10.0.0.3", "via_port": 15008, "path": "waypoint"}),
        (OUT18 + "Proxying to 93.184.216.34:443 using TCP via 93.184.216.34:443 type Passthrough", "legacy_start", {**LEGACY, "dst_ip": "93.184.216.34", "dst_port": 443, "via_ip": "93.184.216.34", "via_port": 443, "path": "plaintext"}),
        (OUT18 + "proxying to [fd00::2]:80 using node local fast path", "legacy_start", {**LEGACY, "dst_ip": "fd00::2", "dst_port": 80, "path": "fast_path"}),
        (OUT18 + "complete dur=12.573881ms", "legacy_end", {**LEGACY, **ENDED, "duration_us": 12573}),
        (OUT18 + "complete dur=1.002341s", "legacy_end", {**LEGACY, **ENDED, "duration_us": 1002341}),
        (OUT18 + "complete dur=850ns", "legacy_end", {**LEGACY, **ENDED, "duration_us": 0}),
        (OUT18 + "complete dur=soon", "legacy_end", {**LEGACY, **ENDED}),
        (OUT18.replace(" INFO", " WARN") + "failed dur=124.75µs err=http status: 401 Unauthorized", "legacy_end", {**LEGACY, "duration_us": 124, "error": "http status: 401 Unauthorized", "error_class": "peer_denied"}),
        (f"WARN proxy{{uid=e50}}:outbound{{id={TRACE}}}: ztunnel::proxy::outbound: failed dur=169.208¬µs err=x", "legacy_end", {**LEGACY, "uid": "e50", "duration_us": 169, "error": "x", "error_class": "other"}),
        (OUT18 + "RBAC rejected conn=10.244.1.9(spiffe://c/ns/n/sa/s)->10.0.0.2:80", "policy", {"peer_ip": "10.244.1.9", "peer_port": None, "peer_identity": "spiffe://c/ns/n/sa/s", "dst_ip": "10.0.0.2", "dst_port": 80, "decision": "deny", "dry_run": False, "policy": None, "trace_id": TRACE}),
        (IN18 + "got CONNECT request to 10.0.0.2:80", "legacy_start", {**LEGACY_IN, "dst_ip": "10.0.0.2", "dst_port": 80, "path": "hbone"}),
        (IN18.replace("spiffe://c/ns/n/sa/s", "None") + "got CONNECT request to 10.0.0.2:80", "legacy_start", {**LEGACY_IN, "src_identity": None, "dst_ip": "10.0.0.2", "dst_port": 80, "path": "hbone"}),
        (IN18 + "RBAC rejected conn=10.244.1.9(spiffe://c/ns/n/sa/s)->10.0.0.2:80", "legacy_end", {**LEGACY_IN, **ENDED, "src_port": None, "dst_ip": "10.0.0.2", "dst_port": 80, "error": "RBAC rejected", "error_class": "policy_denied"}),
        (IN18 + "Sending 400, ip mismatch 10.0.0.2 != 10.0.0.3", "legacy_end", {**LEGACY_IN, **ENDED, "error": "Sending 400, ip mismatch 10.0.0.2 != 10.0.0.3", "error_class": "bad_authority"}),
        (IN18 + "Sending 404, got GET", "legacy_end", {**LEGACY_IN, **ENDED, "error": "Sending 404, got GET", "error_class": "bad_request"}),
        (IN18 + "unknown destination conn=10.244.1.9(spiffe://c/ns/n/sa/s)->10.0.0.2:80", "legacy_end", {**LEGACY_IN, **ENDED, "src_port": None, "dst_ip": "10.0.0.2", "dst_port": 80, "error": "unknown destination", "error_class": "unknown_destination"}),
        (IN18 + "connection to 10.0.0.2:80 failed: Connection refused (os error 111) dur=412.05µs", "legacy_end", {**LEGACY_IN, "dst_ip": "10.0.0.2", "dst_port": 80, "duration_us": 412, "error": "Connection refused (os error 111)", "error_class": "refused"}),
        (IN18 + "hbone server copy: broken pipe dur=2ms", "legacy_end", {**LEGACY_IN, "duration_us": 2000, "error": "broken pipe", "error_class": "reset"}),
        (PASS18 + 'accepted connection source=10.244.3.77:39864 destination=10.244.2.14:8080 component="inbound plaintext"', "legacy_start", PLAIN),
        (PASS18 + 'connection complete source=10.244.3.77:39864 destination=10.244.2.14:8080 component="inbound plaintext"', "legacy_end", {**PLAIN, **ENDED}),
        (PASS18 + 'proxying failed: unknown destination: 10.244.2.14 source=10.244.3.77:39864 component="inbound plaintext"', "legacy_end", {"direction": "inbound", "trace_id": None, "src_ip": "10.244.3.77", "src_port": 39864, "src_identity": None, "path": "plaintext", "duration_us": None, "error": "unknown destination: 10.244.2.14", "error_class": "unknown_destination"}),
        (PASS18 + "RBAC rejected conn=10.244.3.77:39864(None)->10.244.2.14:8080", "legacy_end", {**PLAIN, **ENDED, "error": "RBAC rejected", "error_class": "policy_denied"}),
    ],
)  # fmt: skip
def test_releases_without_an_access_log(text, kind, values):
    assert said(text) == (kind, values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        f"{T}\tinfo\tproxy::inbound\tlistener established\taddress=[::]:15008",
        f"{T}\tinfo\tstate\tskipping unknown policy a/b\t",
        f"{T}\tinfo\tinpod::statemanager\treceived snapshot sent\t",
        f"{T}\tinfo\tztunnel\tversion: unknown\t",
        f"{T}\tdebug\tproxy::inbound\treceived request\tconn=x",
        f'{T}\tdebug\tproxy::outbound\tconnection started\tcomponent="outbound"',
        f'{T}\tdebug\tdns\tquery="A"',
        f"{T}  INFO ztunnel::proxy::outbound: something else",
        f"{T}  INFO ztunnel::proxy::inbound: something else",
        f"{T}  INFO ztunnel::proxy::inbound_passthrough: something else",
        f"{T}  INFO ztunnel::app: hello",
        f"{T}\tinfo\tproxy::connection_manager\tconnection x closed because it's no longer allowed after a policy update\t",
    ],
)  # fmt: skip
def test_lines_that_say_nothing(text):
    assert said(text) is None


def kinds(name):
    facts = (fact_of(LogLine(line, number), name) for number, line in enumerate(examples.captured(name)))
    return collections.Counter(fact.kind for fact in facts if fact is not None)


def test_facts_of_a_captured_debug_run():
    found = kinds("examples/captured-1.24.6-debug.log")
    assert found["version"] == found["local_node"] == 1
    assert found["opened"] >= 5
    assert {"pod_here", "policy", "connect_request", "outbound_trace"} <= set(found)


@pytest.mark.parametrize(
    "name",
    [
        "captured/1.22.0-json/ztunnel-m8s5v.log",
        "captured/1.29.5-json/ztunnel-m8s5v.log",
        "captured/1.29.5-storm/ztunnel-m8s5v.log.gz",
    ],
)
def test_a_captured_run_names_its_node_and_pods(name):
    facts = [fact_of(LogLine(line, number), name) for number, line in enumerate(examples.captured(name))]
    nodes = [fact.values["node"] for fact in facts if fact is not None and fact.kind == "local_node"]
    assert nodes == ["node-c"]
    assert any(fact is not None and fact.kind == "pod_here" for fact in facts)
