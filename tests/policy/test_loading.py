"""Policies come out of every file that holds them, alike."""

from __future__ import annotations

import gzip
import io
import json
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from policies_by_hand import WEB, authorization, peer, verdict

from ztflow.errors import UsageError
from ztflow.policy import Mesh, NoteKind, Release, load_policies
from ztflow.policy.model import Action, ByKey, Match, Scope, ServiceAccount, TextKind, TextMatch

FIXTURES = Path(__file__).parents[2] / "fixtures" / "policy"
RULE = '[{from: [{source: {principals: ["cluster.local/ns/shop/sa/web"]}}]}]'
ONE, TWO = authorization(RULE, name="one"), authorization(RULE, name="two")


def lists(kind, **more):
    return {"apiVersion": "v1", "kind": kind, "items": [ONE, TWO], **more}


def bare(document):
    return {key: value for key, value in document.items() if key not in {"kind", "apiVersion"}}


FORMS = {
    "documents": yaml.safe_dump_all([ONE, None, {"kind": "ConfigMap", "apiVersion": "v1"}, TWO]),
    "a list": yaml.safe_dump(lists("List")),
    "a list of a list": yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": [ONE, TWO]}),
    "kubectl's json": json.dumps(lists("List"), indent=4),
    "the raw API": json.dumps(
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicyList", "items": [bare(ONE), bare(TWO)]}
    ),
    "objects one after another": json.dumps(ONE) + "\n" + json.dumps(TWO, indent=1),
    "an array": json.dumps([ONE, TWO]),
    "watch events": "\n".join(json.dumps({"type": "ADDED", "object": one}) for one in (ONE, TWO)),
    "with a byte order mark": "\ufeff" + yaml.safe_dump_all([ONE, TWO]),
    "json after a line break": "\n" + json.dumps([ONE, TWO]),
}


@pytest.mark.parametrize("form", FORMS)
def test_documents(tmp_path, form):
    path = tmp_path / "p"
    path.write_text(FORMS[form])
    found = load_policies([str(path)])
    assert [policy.key for policy in found.policies] == ["data/one", "data/two"]
    assert {policy.source for policy in found.policies} == {str(path)}
    assert verdict(found) == "allowed"


def test_compressed_files_folders_and_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.yaml").write_text(yaml.safe_dump(ONE))
    (tmp_path / "a" / "notes.txt").write_text("no policy")
    (tmp_path / "two.gz").write_bytes(gzip.compress(json.dumps(TWO).encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(yaml.safe_dump(peer("STRICT")).encode())))
    found = load_policies([str(tmp_path / "a"), str(tmp_path / "two.gz"), "-"])
    assert [policy.name for policy in found.policies] == ["one", "two", "istio_converted_static_strict"]


def test_peer_authentications_of_several_files_decide_together(tmp_path):
    for name, made in (("mesh", peer("STRICT", namespace="istio-system")), ("own", peer("PERMISSIVE"))):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(made))
    found = load_policies([str(tmp_path / "mesh.yaml"), str(tmp_path / "own.yaml")])
    assert len(found.policies) == 1
    assert verdict(found, mtls=False, path="plaintext", hbone_host=None) == "allowed"


def test_the_release_is_that_of_the_mesh(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(authorization(RULE, **{"istio.io/dry-run": "true"})))
    assert not load_policies([str(path)]).policies
    assert load_policies([str(path)], Mesh(Release(1, 25, 1))).policies


POLICIES = ["closed/nothing", "secure/no-prober", "secure/only-web"]


@pytest.mark.parametrize("name", ["1.22.1-config_dump.json", "1.29.5-config_dump.json"])
def test_dumps_of_ztunnels(name):
    found = load_policies([str(FIXTURES / name)])
    assert sorted(policy.key for policy in found.policies) == POLICIES
    by_key = {policy.key: policy for policy in found.policies}
    assert by_key["closed/nothing"].rules == ()
    deny = by_key["secure/no-prober"]
    assert (deny.action, deny.scope, deny.attachment) == (Action.DENY, Scope.NAMESPACE, None)
    assert deny.rules[0].clauses == ((Match(namespaces=(TextMatch(TextKind.EXACT, "monitoring"),)),),)
    assert found.keys["data/db-0"] == frozenset()
    assert len(found.keys) == 11


def test_the_static_form():
    found = load_policies([str(FIXTURES / "1.31.0-head-strict" / "config.yaml")])
    strict = next(policy for policy in found.policies if policy.scope is Scope.WORKLOAD)
    assert strict.key == "istio-system/istio_converted_static_strict"
    assert strict.attachment == ByKey()
    assert strict.rules[0].clauses == ((Match(not_principals=(TextMatch(TextKind.PRESENCE),)),),)
    assert found.keys["data/db-0"] == {"istio-system/istio_converted_static_strict"}
    assert found.keys["ingress/gateway-6c5d4f7b8-r8r8r"] == {"istio-system/istio_converted_static_strict"}


def test_static_form_and_dump_say_the_same():
    dump = load_policies([str(FIXTURES / "1.29.5-config_dump.json")])
    static = load_policies([str(FIXTURES / "1.31.0-head-dryrun" / "config.yaml")])
    of_dump = {policy.key: policy.rules for policy in dump.policies}
    assert of_dump.items() <= {policy.key: policy.rules for policy in static.policies}.items()
    assert {policy.key for policy in static.policies if policy.dry_run} == {"data/try-only-cart", "shop/try-no-prober"}


WHOLE = {
    "name": "p", "namespace": "data", "scope": "WorkloadSelector", "action": "Allow", "dryRun": True,
    "rules": [[[{
        "namespaces": [{"Prefix": "a"}], "notNamespaces": [{"Suffix": "b"}], "principals": [{"Presence": []}],
        "notPrincipals": [{"Exact": "c"}],
        "serviceAccounts": [{"namespace": "shop", "serviceAccount": "web"}],
        "notServiceAccounts": [{"namespace": "shop", "serviceAccount": "cart"}],
        "sourceIps": ["10.0.0.0/8"], "notSourceIps": ["10.1.0.0/16"], "destinationIps": ["fd00::/8"],
        "notDestinationIps": ["::1/128"], "destinationPorts": [80], "notDestinationPorts": [81],
    }], []], []],
}  # fmt: skip


@pytest.mark.parametrize("form", ["a list", "istioctl's all", "a map", "static", "alone"])
def test_every_condition_of_a_dump(tmp_path, form):
    path = tmp_path / "p"
    text = {
        "a list": json.dumps([WHOLE]),
        "istioctl's all": yaml.safe_dump({"policies": [WHOLE], "workloads": []}),
        "a map": json.dumps({"policies": {"data/p": WHOLE}, "workloads": {}}),
        "alone": json.dumps(WHOLE),
        "static": yaml.safe_dump({"policies": [WHOLE]})
        .replace("- Prefix: a", "- !Prefix 'a'")
        .replace("- Suffix: b", "- !Suffix 'b'")
        .replace("- Presence: []", "- !Presence []")
        .replace("- Exact: c", "- !Exact 'c'"),
    }[form]
    assert form != "static" or text.count("- !") == 4
    path.write_text(text)
    (policy,) = load_policies([str(path)]).policies
    assert (policy.scope, policy.action, policy.dry_run) == (Scope.WORKLOAD, Action.ALLOW, True)
    assert [rule.number for rule in policy.rules] == [0, 1]
    assert policy.rules[1].clauses == ()
    (match,), empty = policy.rules[0].clauses
    assert empty == ()
    assert match == Match(
        namespaces=(TextMatch(TextKind.PREFIX, "a"),),
        not_namespaces=(TextMatch(TextKind.SUFFIX, "b"),),
        principals=(TextMatch(TextKind.PRESENCE),),
        not_principals=(TextMatch(TextKind.EXACT, "c"),),
        service_accounts=(ServiceAccount("shop", "web"),),
        not_service_accounts=(ServiceAccount("shop", "cart"),),
        source_ips=(ip_network("10.0.0.0/8"),),
        not_source_ips=(ip_network("10.1.0.0/16"),),
        destination_ips=(ip_network("fd00::/8"),),
        not_destination_ips=(ip_network("::1/128"),),
        destination_ports=(80,),
        not_destination_ports=(81,),
    )


def test_a_pod_that_a_dump_lists_twice_has_what_either_says(tmp_path):
    workloads = [{"name": "db-0", "namespace": "data", "authorizationPolicies": [key]} for key in ("data/p", "data/q")]
    (tmp_path / "d").write_text(json.dumps({"policies": [WHOLE], "workloads": workloads}))
    assert load_policies([str(tmp_path / "d")]).keys == {"data/db-0": {"data/p", "data/q"}}


def test_dumps_of_several_nodes_are_one_mesh_and_what_differs_is_said(tmp_path):
    for node, name in (("a", "web-0"), ("b", "web-1")):
        workload = {"name": name, "namespace": "data", "authorizationPolicies": ["data/p"]}
        changed = {**WHOLE, "rules": []} if node == "b" else WHOLE
        (tmp_path / node).write_text(json.dumps({"policies": [changed], "workloads": [workload]}))
    found = load_policies([str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.keys == {"data/web-0": {"data/p"}, "data/web-1": {"data/p"}}
    assert [policy.rules for policy in found.policies] == [()]
    assert [note.kind for note in found.notes] == [NoteKind.ASSUMED]
    again = load_policies([str(tmp_path / "a"), str(tmp_path / "a")])
    assert not again.notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no policy; give AuthorizationPolicy"),
        ("kind: ConfigMap\napiVersion: v1\n", "holds no policy"),
        ("a: [", "line 2: neither YAML nor JSON"),
        ("a: b\n  c: d\n", "line 2: neither YAML nor JSON"),
        ("just words", "holds no policy"),
        ("{" * 100_000, "neither YAML nor JSON"),
        ("a: &a [*a]\n", "holds no policy"),
        ("&a [*a]\n", "holds no policy"),
        ("&a {type: ADDED, object: *a}\n", "holds no policy"),
        ("&a {kind: List, items: [*a]}\n", "holds no policy"),
        ("- !Exact x\n", "holds no policy"),
        (json.dumps([{**WHOLE, "action": "Refuse"}]), "action cannot be 'Refuse'"),
        (json.dumps([{**WHOLE, "scope": "Mesh"}]), "scope cannot be 'Mesh'"),
        (json.dumps([{**WHOLE, "selector": {}}]), "has no field 'selector'"),
        (json.dumps([{**WHOLE, "rules": [[[{"hosts": ["a"]}]]]}]), "rules[0][0][0] has the condition 'hosts'"),
        (json.dumps([{**WHOLE, "rules": [[[{"principals": [{"Regex": "a"}]}]]]}]), "has no field 'Regex'"),
        (json.dumps([{**WHOLE, "rules": [[[{"sourceIps": ["x"]}]]]}]), "is no range of addresses: 'x'"),
        (json.dumps([{**WHOLE, "rules": [[[{"destinationPorts": [99999]}]]]}]), "is no port: 99999"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_one_line(tmp_path, text, said):
    path = tmp_path / "p"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_policies([str(path)])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    for path, said in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "a folder without .yaml"),
    ):
        with pytest.raises(UsageError, match=said):
            load_policies([str(path)])
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UsageError, match="is no text"):
        load_policies([str(tmp_path / "b")])
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"kind: List")[:-4])
    with pytest.raises(UsageError, match=r"c\.gz"):
        load_policies([str(tmp_path / "c.gz")])


def test_an_empty_list_is_no_policies(tmp_path):
    path = tmp_path / "p"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": []}))
    found = load_policies([str(path)])
    assert found.policies == ()
    assert verdict(found, src_identity=WEB) == "allowed"


def test_a_closed_standard_input_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="standard input is closed"):
        load_policies(["-"])


def test_a_number_of_many_digits_is_said(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"kind": "AuthorizationPolicy", "spec": ' + "9" * 5000 + "}")
    with pytest.raises(UsageError, match="neither YAML nor JSON"):
        load_policies([str(path)])


def test_a_kind_that_is_no_text_is_no_policy(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump_all([{**ONE, "kind": ["AuthorizationPolicy"]}, TWO]))
    assert [policy.key for policy in load_policies([str(path)]).policies] == ["data/two"]
