"""Access, other or not ours: by layout and scope, or by the pod that wrote it."""

import pytest

from tests.parse import examples
from ztflow.errors import ParseError
from ztflow.model.provenance import NOBODY, LogLine, Origin
from ztflow.parse import Outcome, outcome

T = "2024-06-16T10:13:59.559505Z"


def of(text, pod=None, fields=None):
    return outcome(LogLine(text, 1, Origin(pod=pod) if pod else NOBODY, fields))


@pytest.mark.parametrize(
    "text",
    [
        f'{T}\tinfo\tztunnel\tversion: version.BuildInfo{{Version:"1.22.8"}}\t',
        f"{T}\tinfo\txds::client:xds{{id=24}}\tStream established\t",
        f"{T}\tinfo\txds::client:xds{{id=24}}\tStream established",
        f"{T} info xds::client:xds{{id=24}} Stream established",
        f'{T}     info    proxy::outbound listener established    address=[::]:15001 component="outbound"',
        f'{T}\tinfo\tdrain:proxy{{wl=client/sleep}}\tshutdown complete\tcomponent="outbound"',
        f"{T}\tdebug\th2::codec::framed_write:proxy{{wl=a/b}}:Connection{{peer=Server}}\tsend\tframe=Ping {{ ack: false }}",
        f"{T}\ttrace\tproxy::outbound:outbound connect{{id=x}}\thello\t",
        f"{T}\twarn\tstate\ttimed out waiting for workload 'default.client (sleep)' from xds\t",
        f"{T}\tinfo\treadiness\tTask 'proxy' complete (150.2ms), marking server ready\t",
        f"{T}\tinfo\tsignal\treceived signal SIGTERM, starting shutdown\t",
        f"{T}\tinfo\ttelemetry\tnew log filter is debug\t",
        f'{T}\tdebug\tdns\tsrc.workload="sleep" src.namespace="client" query="A" domain="x." result="success" endpoints=0',
        f"{T}\tinfo\tapp\tin-pod mode enabled\t",
        f"{T}\tinfo\taccess\tsomething new\t",
        f'{T}\tinfo\thttp access\trequest complete\tsrc.addr=10.0.0.1:1 direction="inbound" method=GET',
        "info http access request complete src.addr=10.0.0.1:1",
        f'{T} 정보 inpod::statemanager pod WorkloadUid("x")가 netns를 수신하고 프록시를 시작합니다.',
        f"{T} 정보 xds::client:xds{{id=14}}가 응답을 수신했습니다. size=2",
        f"{T}  INFO ztunnel::proxy::inbound_passthrough: accepted connection source=1.2.3.4:5 destination=1.2.3.4:6",
        f"{T}  INFO outbound{{id=0af7}}: ztunnel::proxy::outbound: complete dur=12.573881ms",
        f"{T} TRACE server_handshake:Connection{{peer=Server}}:poll:FramedRead::poll_next: h2::codec::framed_read: poll",
        "WARN proxy{uid=e50}:outbound{id=9f73}: ztunnel::proxy::outbound: failed dur=1.1ms err=x",
        f"{T}  INFO ztunnel: running with config: window_size: 4194304\nlocal_node: a",
        '{"level":"info","time":"2026-01-13T18:16:03.095143Z","scope":"ztunnel::xds::client","message":"received response","xds":{"id":1}}',
        '{"timestamp":"2026-11-23T01:40:13.1Z","level":"INFO","message":"listener established","target":"ztunnel::hyper_util"}',
        '{"level":"info","scope":"ztunnel::state","message":"deny policy match","policy":"default/x"}',
        '{"level":"debug","time":"x","scope":"dns","query":"A","domain":"x."}',
    ],
)  # fmt: skip
def test_other_lines_of_ztunnel(text):
    assert of(text) == (Outcome.OTHER, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        f"{T} info ambient Namespace ambient-demo is enabled in ambient mesh",
        f"{T}\tinfo\tambient\tin pod mode - adding pod a/b to ztunnel",
        f"{T} info iptables Running iptables-restore with the following input:",
        f"{T} info Running command (with wait lock): iptables-restore --noflush -v --wait=30",
        "-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT",
        "* nat",
        f"{T}\tinfo\tads\tPush debounce stable[5] 1",
        f"{T}\tinfo\ttelemetry\tsomething of istiod",
        f"{T}\tinfo\tdns\tStarting local udp DNS server on 127.0.0.1:15053",
        f"{T}\tinfo\txdsproxy\tconnected to upstream XDS server",
        '{"level":"info","time":"2024-06-16T10:13:59Z","scope":"ads","msg":"Push"}',
        '{"level":"info","time":"2024-06-16T10:13:59Z","scope":"ads","message":"Push"}',
        '{"level":"info","scope":5,"message":"x"}',
        "error access denied",
        "error std::bad_alloc was thrown",
        "Info: the state of things",
        "(⎈|kind-ambient:istio-system)➜  ~ stern ztunnel -n istio-system",
        "테이블 1: 동일 노드 내의 클라이언트 및 서버",
        "---------",
        "localNode: node-a",
    ],
)
def test_not_ours(text):
    assert of(text) == (Outcome.NOT_OURS, None)


def test_the_pod_that_wrote_it_settles_what_the_text_cannot():
    assert of("thread 'main' panicked at src/main.rs", "ztunnel-4k7rb") == (Outcome.OTHER, None)
    assert of("thread 'main' panicked at src/main.rs", "istio-cni-node-7q6z7") == (Outcome.NOT_OURS, None)
    assert of("", "ztunnel-4k7rb") == (Outcome.NOT_OURS, None)


def test_the_seed_of_istio_cni_is_not_ours():
    for line in (examples.FIXTURES / "seed" / "istio-cni.log").read_text(encoding="utf-8").splitlines():
        bare = line.removeprefix(" ".join(line.split(" ")[:2]) + " ") if line.startswith("istio-cni") else line
        assert of(bare) == (Outcome.NOT_OURS, None)


def test_the_translated_start_up_lines_are_ours():
    lines = (examples.FIXTURES / "seed" / "ztunnel-startup-translated.log").read_text(encoding="utf-8").splitlines()
    bare = [line.split(" ", 2)[2] for line in lines if line.startswith("ztunnel-")]
    assert len(bare) > 5
    assert {of(line) for line in bare} == {(Outcome.OTHER, None)}


def test_opened_is_another_line_but_has_a_row():
    found, row = of(
        f'{T}\tdebug\taccess\tconnection opened\tsrc.addr=10.0.0.1:1 dst.addr=10.0.0.2:2 direction="inbound"'
    )
    assert found is Outcome.OTHER
    assert row[2] == "opened"


def test_a_decoded_object_is_taken_before_the_text():
    fields = {
        "scope": "access",
        "message": "connection failed",
        "src.addr": "10.0.0.1:1",
        "dst.addr": "10.0.0.2:2",
        "direction": "inbound",
        "error": "x",
    }
    found, row = of("whatever a shipper left here", fields=fields)
    assert (found, row[2]) == (Outcome.ACCESS, "failed")
    assert of("x", fields={"scope": "ztunnel::app", "message": "y"}) == (Outcome.OTHER, None)
    with pytest.raises(ParseError):
        of("x", fields=fields | {"src.addr": "nowhere"})
