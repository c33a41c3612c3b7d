"""Tables as kubectl prints them and as people paste them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztflow.place import Inventory
from ztflow.place.inventory.files import parse_inventory

HEADER = (
    "NAMESPACE      NAME                      READY   STATUS    RESTARTS      AGE     IP               NODE"
    "             NOMINATED NODE   READINESS GATES"
)
ROW = (
    "ambient-demo   httpbin-6f4dc97cb-swdlb   1/1     Running   1 (96m ago)   3h24m   192.168.184.74   ambient-worker"
    "   <none>           <none>"
)
HTTPBIN = ("ambient-demo", "httpbin-6f4dc97cb-swdlb", ("192.168.184.74",), "ambient-worker", "Running")


def short(inventory):
    return [(pod.namespace, pod.name, pod.ips, pod.node, pod.phase) for pod in inventory.pods]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\n{ROW}\n",
        ROW,
        f"{HEADER}\r\n{ROW}\r\n",
        f"    {HEADER}\n    {ROW}\n",
        f"{HEADER}\n\n{ROW}\n",
        f"$ kubectl get pods -A -o wide\n{HEADER}\n{ROW}\n$ \n",
        re.sub(" +", " ", f"{HEADER}\n{ROW}\n"),
        re.sub(" +", " ", ROW),
        ROW.removesuffix("   <none>           <none>"),
        f"\x1b[1m{HEADER}\x1b[0m\n\x1b[32m{ROW}\x1b[0m\n",
        HEADER.replace("READINESS GATES", "READINESS GATES   LABELS") + "\n" + ROW + "            app=httpbin\n",
        "네임스페이스   이름   준비   상태   재시작   나이   IP   노드\n" + ROW,
        ROW.replace("Running", "실행 중").replace("96m ago", "96분 전").replace("3h24m", "3시간"),
    ],
)
def test_one_row_however_it_is_pasted(parsed, text):
    assert short(parsed(text)) == [HTTPBIN]


def test_a_row_cut_after_its_node_still_counts(parsed):
    assert short(parsed(f"{HEADER}\n{ROW[: ROW.index('<none>')].rstrip()}\n")) == [HTTPBIN]


def test_columns_are_found_by_their_header(parsed):
    """Plugins insert columns in the middle; custom columns come in any order."""
    inventory = parsed(
        "NAME     NODE     CPU   IP            NAMESPACE   STATUS\n"
        "web-0    node-a   3m    10.244.1.10   shop        Running\n"
        "old-1             1m    10.244.1.11   shop        Completed\n"
    )
    assert short(inventory) == [
        ("shop", "web-0", ("10.244.1.10",), "node-a", "Running"),
        ("shop", "old-1", ("10.244.1.11",), None, "Succeeded"),
    ]


def test_zones_appended_to_pods_and_nodes_may_be_missing(parsed):
    inventory = parsed(
        "NAME     STATUS   ROLES    AGE   VERSION   ZONE\n"
        "node-a   Ready    <none>   4h    v1.32.4   eu-west-1a\n"
        "node-b   Ready    <none>   4h    v1.32.4\n"
        "\n"
        "NAME    READY   STATUS    RESTARTS   AGE   IP            NODE     NOMINATED NODE   READINESS GATES   ZONE\n"
        "web-0   1/1     Running   0          4h    10.244.1.10   node-a   <none>           <none>            z1\n"
        "web-1   1/1     Running   0          4h    10.244.1.11   node-b   <none>           <none>\n"
    )
    assert [(node.name, node.zone) for node in inventory.nodes] == [("node-a", "eu-west-1a"), ("node-b", None)]
    assert [(pod.name, pod.zone) for pod in inventory.pods] == [("web-0", "z1"), ("web-1", None)]


def test_nodes_by_their_own_shape(parsed):
    inventory = parsed(
        "ambient-worker          Ready,SchedulingDisabled   <none>   6h   v1.30.0   172.18.0.3   <none>   "
        "Debian GNU/Linux 12 (bookworm)   6.6.22   containerd://1.7.15\n"
        "ambient-control-plane   준비   제어 플레인   117분   v1.30.0\n"
        "gke-1   Ready   <none>   3d   v1.29.4-gke.1043002   kubernetes.io/arch=amd64,topology.kubernetes.io/zone=z-1\n"
    )
    assert [(node.name, node.ips, node.zone) for node in inventory.nodes] == [
        ("ambient-worker", ("172.18.0.3",), None),
        ("ambient-control-plane", (), None),
        ("gke-1", (), "z-1"),
    ]


def test_older_zone_labels_count_too(parsed):
    inventory = parsed(
        "NAME     STATUS   ROLES    AGE   VERSION   LABELS\n"
        "node-a   Ready    <none>   4h    v1.15.3   failure-domain.beta.kubernetes.io/zone=z1,x=y\n"
    )
    assert inventory.nodes[0].zone == "z1"


def test_several_kinds_in_one_table_output(parsed):
    """`kubectl get pods,nodes -o wide` names its objects with their kind."""
    inventory = parsed(
        "NAME        READY   STATUS    RESTARTS   AGE   IP            NODE     NOMINATED NODE   READINESS GATES\n"
        "pod/web-0   1/1     Running   0          4h    10.244.1.10   node-a   <none>           <none>\n"
        "\n"
        "NAME          STATUS   ROLES    AGE   VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE             KERNEL-VERSION\n"
        "node/node-a   Ready    <none>   4h    v1.32.4   172.18.0.11   203.0.113.7   Debian GNU/Linux 12   6.1\n"
    )
    assert inventory.pods[0].name == "web-0"
    assert (inventory.nodes[0].name, inventory.nodes[0].ips) == ("node-a", ("172.18.0.11", "203.0.113.7"))


@pytest.mark.parametrize(
    ("prompt", "namespace"),
    [
        ("(⎈|kind-ambient:shop)➜  ~ kgpo -owide", "shop"),
        ("$ kubectl get pods -n shop -o wide", "shop"),
        ("user@host:~$ kubectl get po --namespace=shop -owide", "shop"),
        ("$ kubectl get pods -o wide", None),
    ],
)
def test_the_prompt_may_name_the_namespace(parsed, prompt, namespace):
    table = (
        "NAME    READY   STATUS    RESTARTS   AGE   IP            NODE\n"
        "web-0   1/1     Running   0          4h    10.244.1.10   node-a\n"
    )
    assert parsed(f"{prompt}\n{table}").pods[0].namespace == namespace


def test_pending_pods_are_counted_not_placed(parsed):
    inventory = parsed(
        "NAME    READY   STATUS    RESTARTS   AGE   IP       NODE     NOMINATED NODE   READINESS GATES\n"
        "web-0   0/1     Pending   0          4h    <none>   <none>   <none>           <none>\n"
    )
    assert inventory.pods == []
    assert inventory.unused == {"pod without address and node": 1}


def test_other_tables_are_passed_over_with_a_count(parsed):
    inventory = parsed(
        "NAME      DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR            AGE\n"
        "ztunnel   3         3         3       3            3           kubernetes.io/os=linux   118m\n"
    )
    assert len(inventory) == 0
    assert inventory.unused.total() == 1


def test_services_of_kubectl(parsed):
    inventory = parsed(
        "NAMESPACE   NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE\n"
        "shop        web    ClusterIP   10.96.10.1   <none>        80/TCP    4h\n"
    )
    service = inventory.services[0]
    assert (service.namespace, service.name, service.vips) == ("shop", "web", ("10.96.10.1",))


def test_istioctl_tables_of_every_generation(parsed):
    """One blank of padding, empty cells, several addresses: columns stand at their header's offsets."""
    tables = {
        "1.24": (
            "NAMESPACE POD NAME ADDRESS                       NODE   WAYPOINT PROTOCOL\n"
            "shop      web-0    10.244.1.10,fd00:10:244:1::A  node-a None     HBONE\n"
            "shop      ext-1    10.9.9.9                             None     TCP\n"
            "shop      gone-2                                        None     TCP\n"
        ),
        "1.22": (
            "NAMESPACE POD NAME IP          NODE   WAYPOINT PROTOCOL\n"
            "shop      web-0    10.244.1.10 node-a None     HBONE\n"
        ),
        "1.21": (
            "NAMESPACE NAME  NETWORK IP          NODE   WAYPOINT PROTOCOL\n"
            "shop      web-0 net1    10.244.1.10 node-a None     HBONE\n"
        ),
        "1.21 short": "NAMESPACE NAME  IP          NODE\nshop      web-0 10.244.1.10 node-a\n",
        "1.18": "NAME  NAMESPACE IP          NODE\nweb-0 shop      10.244.1.10 node-a\n",
        "no header": "shop web-0 10.244.1.10 node-a None HBONE\nshop ext-1 10.9.9.9 None TCP\n",
    }
    for name, text in tables.items():
        pod = parsed(text).pods[0]
        assert (pod.namespace, pod.name, pod.ips[0], pod.node) == ("shop", "web-0", "10.244.1.10", "node-a"), name
    latest = parsed(tables["1.24"])
    assert latest.pods[0].ips == ("10.244.1.10", "fd00:10:244:1::a")
    assert [(pod.name, pod.node) for pod in latest.pods] == [("web-0", "node-a"), ("ext-1", None)]
    assert latest.unused == {"workload without address and node": 1}
    assert parsed(tables["1.21"]).pods[0].network == "net1"
    assert parsed(tables["no header"]).pods[1].node is None


def test_istioctl_all_keeps_only_what_places(inventories, parsed):
    inventory = parsed((inventories / "wrappers/ztunnel-config-all.txt").read_text())
    assert len(inventory.pods) == 7
    assert inventory.pods[2].ips == ("192.168.184.74", "fd00:10:244:1::4a")
    assert inventory.services[0].vips == ("10.96.113.62",)
    # a network gateway has neither address nor node; a policy and a certificate place nothing
    assert inventory.unused == {"workload without address and node": 1, "row of a table without nodes": 2}


def test_headers_between_istioctl_tables(parsed):
    inventory = parsed(
        "------ WORKLOAD INFO ------\n"
        "NAMESPACE POD NAME ADDRESS     NODE   WAYPOINT PROTOCOL\n"
        "shop      web-0    10.244.1.10 node-a None     HBONE\n"
        "\n------ SERVICES INFO ------\n"
        "NAMESPACE SERVICE NAME SERVICE VIP WAYPOINT ENDPOINTS\n"
        "shop      web          10.96.10.1  None     1/1\n"
    )
    assert len(inventory.pods) == len(inventory.services) == 1


def test_open_connections_of_istioctl(inventories, parsed):
    inventory = parsed((inventories / "config-dump-1.29.5/istioctl-connections.txt").read_text())
    assert [(c.pod, c.namespace, c.direction) for c in inventory.connections] == [
        ("web-6b7f9c5d4-k8d2m", "shop", "inbound"),
        ("web-6b7f9c5d4-k8d2m", "shop", "outbound"),
        ("web-6b7f9c5d4-k8d2m", "shop", "outbound"),
    ]
    inbound = inventory.connections[0]
    assert inbound.src == "web-6b7f9c5d4-k8d2m.shop:41238"
    assert inbound.actual_dst == "web-6b7f9c5d4-k8d2m.shop:8080"


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text):
    inventory = Inventory()
    parse_inventory(text, "given.txt", inventory)
    parse_inventory(f"{HEADER}\n{text}\n{ROW}", "given.txt", inventory)
    assert all(pod.name for pod in inventory.pods)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    parse_inventory(data, "given", Inventory())


NAME = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,9}){0,2}", fullmatch=True)
POD = st.tuples(
    NAME,
    NAME,
    st.sampled_from(["Running", "Completed", "CrashLoopBackOff", "Terminating"]),
    st.sampled_from(["0", "12", "1 (96m ago)", "3 (2d4h ago)"]),
    st.ip_addresses(v=4).map(str),
    NAME,
)


@settings(max_examples=60)
@given(st.lists(POD, min_size=1, max_size=8), st.booleans(), st.booleans(), st.booleans())
def test_a_printed_table_is_read_back(pods, with_header, squeezed, with_namespace):
    """Column widths as kubectl's tabwriter gives them: longest cell and three blanks."""
    rows = [
        [ns, name, "1/1", status, restarts, "3h", ip, node, "<none>", "<none>"]
        for ns, name, status, restarts, ip, node in pods
    ]
    head = [
        "NAMESPACE",
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
        "IP",
        "NODE",
        "NOMINATED NODE",
        "READINESS GATES",
    ]
    lines = [head, *rows] if with_header else rows
    lines = lines if with_namespace else [row[1:] for row in lines]
    widths = [max(map(len, column)) + 3 for column in zip(*lines, strict=True)]
    text = "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines
    )
    inventory = Inventory()
    assert parse_inventory(re.sub(" +", " ", text) if squeezed else text, "given.txt", inventory)
    assert [(pod.namespace, pod.name, pod.ips, pod.node) for pod in inventory.pods] == [
        (ns if with_namespace else None, name, (ip,), node) for ns, name, _, _, ip, node in pods
    ]
    assert inventory.unused.total() == 0


WORKLOADS = (
    "NAMESPACE  POD NAME                 ADDRESS      NODE    WAYPOINT PROTOCOL NETWORK  NETWORK GATEWAY\n"
    "shop       web-6b7f9c5d4-x2x9q      10.244.1.10  node-a  None     HBONE    cluster1 cluster1/172.18.0.4\n"
    "data       db-0                     10.244.3.14  node-c  None     HBONE             \n"
)


def test_workloads_of_several_networks(parsed):
    found = [(pod.name, pod.ips, pod.node, pod.network) for pod in parsed(WORKLOADS).pods]
    assert found == [
        ("web-6b7f9c5d4-x2x9q", ("10.244.1.10",), "node-a", "cluster1"),
        ("db-0", ("10.244.3.14",), "node-c", None),
    ]


def test_a_header_of_two_words_nobody_knows(parsed):
    text = WORKLOADS.replace("NETWORK  NETWORK GATEWAY", "SOME NEW  THIRD WORD   ")
    assert [pod.node for pod in parsed(text).pods] == ["node-a", "node-c"]


@pytest.mark.parametrize(
    "left_out", ["...", "…", "ip-10-0-1...", "…-worker", "-", "***", "xxx", "<redacted>", "N/A", "unknown"]
)
@pytest.mark.parametrize("squeezed", [False, True])
def test_a_node_that_was_left_out_is_unknown(parsed, left_out, squeezed):
    table = (
        f"NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE   IP            NODE           NOMINATED NODE\n"
        f"shop        web-0   1/1     Running   0          3h    10.244.1.10   {left_out:<14} <none>\n"
    )
    inventory = parsed(re.sub(" {2,}", "  ", table) if squeezed else table)
    assert [(pod.name, pod.ips, pod.node) for pod in inventory.pods] == [("web-0", ("10.244.1.10",), None)]
    assert inventory.elided.total() == (left_out != "<redacted>")


def test_a_left_out_node_in_rows_without_a_header(parsed):
    inventory = parsed("shop   web-0   1/1   Running   0   3h   10.244.1.10   ip-10...   <none>   <none>\n"
                       "shop   web-1   10.244.1.11   ...   None   HBONE\n")  # fmt: skip
    assert [(pod.name, pod.node) for pod in inventory.pods] == [("web-0", None), ("web-1", None)]
    assert inventory.elided == {"given.txt": 2}


def test_a_name_of_which_a_part_is_left_out_is_none(parsed):
    inventory = parsed(WORKLOADS.replace("web-6b7f9c5d4-x2x9q", "web-6b7f9c5...     "))
    assert [pod.name for pod in inventory.pods] == ["db-0"]


def test_custom_columns_in_any_case_with_host_network_and_lists_of_addresses(parsed):
    inventory = parsed(
        "Name                  Node     IPs                                     HostNetwork\n"
        "web-6b7f9c5d4-x2x9q   node-a   [map[ip:10.244.1.10] map[ip:fd00::a]]   <none>\n"
        "ztunnel-4k7rb         node-a   172.18.0.4                              true\n"
    )
    assert [(pod.name, pod.ips, pod.host_network) for pod in inventory.pods] == [
        ("web-6b7f9c5d4-x2x9q", ("10.244.1.10", "fd00::a"), None),
        ("ztunnel-4k7rb", ("172.18.0.4",), True),
    ]


def test_ranges_in_custom_columns_make_it_a_table_of_nodes(parsed):
    nodes = parsed("NAME     CIDR                                 ZONE\n"
                   "node-a   10.244.1.0/24                        z1\n"
                   "node-b   [10.244.2.0/24 fd00:10:244:2::/64]   <none>\n").nodes  # fmt: skip
    assert [(node.name, node.zone, node.pod_ranges) for node in nodes] == [
        ("node-a", "z1", ("10.244.1.0/24",)),
        ("node-b", None, ("10.244.2.0/24", "fd00:10:244:2::/64")),
    ]
