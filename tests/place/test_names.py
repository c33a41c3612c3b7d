"""What pod names tell."""

import pytest

from ztflow.place.names import is_unique_name, workload_of_name


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("httpbin-6f4dc97cb-swdlb", "httpbin"),
        ("istio-ingressgateway-6f48dfb7db-862sm", "istio-ingressgateway"),
        ("my-app-5bc5c58-x7k2q", "my-app"),
        ("web-v2-6875bc5c58-n4j7d", "web-v2"),
        ("shut-7c6b5d4f8-q9w8e", "shut"),
        ("eastwest-5d4c3b2a1-g7g7g", "eastwest"),
        ("doks-debug-rdhgq", "doks-debug"),
        ("istio-cni-node-7q6z7", "istio-cni-node"),
        ("otel-collector-x7k2q", "otel-collector"),
        ("migrate-28636900-k2x9q", "migrate"),
        ("migrate-1718452800-k2x9q", "migrate"),
        ("batch-3-x7k2q", "batch"),
        ("db-0", "db"),
        ("db-main-12", "db-main"),
    ],
)
def test_workloads_by_pattern(pod, workload):
    assert workload_of_name(pod) == (workload, "name pattern")


@pytest.mark.parametrize("pod", ["sleep", "my-laptop", "db-007", "NetworkGateway/network-b/172.18.0.5/0", "", "a.b.c"])
def test_other_names_stay_as_logged(pod):
    assert workload_of_name(pod) == (pod, "as logged")


def test_only_generated_names_are_never_given_again():
    assert is_unique_name("httpbin-6f4dc97cb-swdlb")
    assert is_unique_name("shut-7c6b5d4f8-q9w8e")
    assert is_unique_name("doks-debug-rdhgq")
    assert not is_unique_name("db-0")
    assert not is_unique_name("debug")
