"""`kubectl describe nodes|pods`."""

NODE = """\
Name:               node-a
Roles:              control-plane
Labels:             kubernetes.io/hostname=node-a
                    topology.kubernetes.io/region=eu-west-1
                    topology.kubernetes.io/zone=eu-west-1a
Annotations:        node.alpha.kubernetes.io/ttl: 0
Taints:             <none>
Conditions:
  Type             Status  Reason         Message
  ----             ------  ------         -------
  Ready            True    KubeletReady   kubelet is posting ready status
Addresses:
  InternalIP:  172.18.0.11
  Hostname:    node-a
Capacity:
  cpu:                8
PodCIDR:                      10.244.1.0/24
PodCIDRs:                     10.244.1.0/24,fd00:10:244:1::/64
Non-terminated Pods:          (1 in total)
  Namespace                   Name                 CPU Requests
  ---------                   ----                 ------------
  istio-system                ztunnel-4k7rb        200m (2%)
Events:              <none>
"""
POD = """\
Name:             web-6b7f9c5d4-x2x9q
Namespace:        shop
Service Account:  web
Node:             node-a/172.18.0.11
Start Time:       Sun, 22 Nov 2026 20:00:00 +0000
Labels:           app=web
                  pod-template-hash=6b7f9c5d4
Annotations:      <none>
Status:           Running
IP:               10.244.1.10
IPs:
  IP:           10.244.1.10
  IP:           fd00:10:244:1::a
Controlled By:  ReplicaSet/web-6b7f9c5d4
Containers:
  main:
    Ready:          True
    Restart Count:  0
Node-Selectors:              <none>
Events:                      <none>
"""


def test_a_node(parsed):
    (node,) = parsed(NODE).nodes
    assert (node.name, node.ips, node.zone, node.region) == ("node-a", ("172.18.0.11",), "eu-west-1a", "eu-west-1")
    assert node.pod_ranges == ("10.244.1.0/24", "fd00:10:244:1::/64")


def test_a_pod(parsed):
    (pod,) = parsed(POD).pods
    assert (pod.namespace, pod.name, pod.ips, pod.node, pod.host_ip) == (
        "shop", "web-6b7f9c5d4-x2x9q", ("10.244.1.10", "fd00:10:244:1::a"), "node-a", "172.18.0.11",
    )  # fmt: skip
    assert (pod.phase, pod.owner_kind, pod.owner, pod.service_account) == ("Running", "Deployment", "web", "web")
    assert pod.start == 1_795_377_600_000_000


def test_several_with_a_prompt_and_windows_line_ends(parsed):
    text = f"$ kubectl describe nodes,pods\n{NODE}\n\n{POD}\n\n{NODE.replace('node-a', 'node-b')}".replace("\n", "\r\n")
    inventory = parsed(text)
    assert [node.name for node in inventory.nodes] == ["node-a", "node-b"]
    assert [pod.name for pod in inventory.pods] == ["web-6b7f9c5d4-x2x9q"]


def test_a_host_network_pod_a_pending_one_and_something_else(parsed):
    host = POD.replace("10.244.1.10", "172.18.0.11").replace("  IP:           fd00:10:244:1::a\n", "")
    pending = POD.replace("node-a/172.18.0.11", "<none>").replace("10.244.1.10", "").replace("fd00:10:244:1::a", "")
    service = "Name:              web\nNamespace:         shop\nLabels:            app=web\nType:  ClusterIP\n"
    inventory = parsed(f"{host}\n{pending}\n{service}")
    assert [pod.host_network for pod in inventory.pods] == [True]
    assert inventory.unused == {"pod without address and node": 1, "description of something else": 1}


def test_a_time_that_is_none(parsed):
    for time in ("Sun, 22 Nov 99999999999999999999 20:00:00 +0000", "Sun, 22 Nov 2026 20:00:00 +99999999", "now", ""):
        (pod,) = parsed(POD.replace("Sun, 22 Nov 2026 20:00:00 +0000", time)).pods
        assert pod.start is None
