"""Plain lists."""

import pytest


def test_the_documented_header(parsed):
    inventory = parsed(
        "ip,pod,namespace,node,zone\n10.0.0.1,web-0,shop,node-a,z1\n10.0.0.2,,,node-b,\n,x,shop,node-a,\n,,,,\n"
    )
    first, third = inventory.pods
    assert (first.namespace, first.name, first.ips, first.node, first.zone) == (
        "shop",
        "web-0",
        ("10.0.0.1",),
        "node-a",
        "z1",
    )
    assert (third.name, third.ips, third.node) == ("x", (), "node-a")
    assert [(a.ip, a.node) for a in inventory.addresses] == [("10.0.0.2", "node-b")]
    assert [(n.name, n.zone) for n in inventory.nodes] == [("node-a", "z1")]
    assert inventory.unused == {"row without address and node": 1}


@pytest.mark.parametrize(
    "text",
    [
        "node;ip;pod\nnode-a;10.0.0.1;shop/web-0\n",
        "Node\tIP\tPod\tNamespace\nnode-a\t10.0.0.1\tweb-0\tshop\n",
        '"ip","pod","namespace","node","zone"\r\n"10.0.0.1","web-0","shop","node-a",""\r\n',
        "# my list\nip, pod, namespace, node\n10.0.0.1, web-0, shop, node-a\n",
        "\ufeffip,pod,namespace,node,zone\n10.0.0.1,web-0,shop,node-a,z1\n",
        "10.0.0.1,web-0,shop,node-a,z1\n",
    ],
)
def test_other_orders_delimiters_and_quotes(parsed, text):
    pod = parsed(text.encode()).pods[0]
    assert (pod.namespace, pod.name, pod.ips, pod.node) == ("shop", "web-0", ("10.0.0.1",), "node-a")


def test_several_addresses_in_one_cell(parsed):
    assert parsed('ip,pod,node\n"10.0.0.1 fd00::A",web-0,node-a\n').pods[0].ips == ("10.0.0.1", "fd00::a")


def test_nodes_with_zones_alone(parsed):
    inventory = parsed("node,zone\nnode-a,z1\nnode-b,z2\n")
    assert {n.name: n.zone for n in inventory.nodes} == {"node-a": "z1", "node-b": "z2"}


def test_text_with_commas_is_no_list(parsed):
    parsed("hello, world\nthis, that\n", recognised=False)


def test_a_broken_row_costs_one_row(parsed):
    inventory = parsed('ip,pod,node\n10.0.0.1,"web-0,node-a\n10.0.0.2,web-1,node-b\n' + '"' + "x" * 200_000 + "\n")
    assert ("web-1", "node-b") in {(pod.name, pod.node) for pod in inventory.pods}
    assert inventory.unused["row that cannot be read"] == 1
