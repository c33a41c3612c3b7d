"""`ztflow advise`: the folder it writes, what it says, and what it will not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

FIXTURES = Path(__file__).parents[2] / "fixtures"
STRICT = FIXTURES / "policy" / "1.31.0-head-strict"
LABELS = FIXTURES / "inventory" / "captured" / "pods.json"
ALL = ("advise", STRICT, "--inventory", LABELS)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_drafts_and_what_got_no_rule(cli, tmp_path):
    run = cli(*ALL, "--output", tmp_path / "new", "--default-deny", "--strict-mtls")
    assert run.code == 0, run.talk
    drafts = ["closed.shut.yaml", "data.db.yaml", "secure.vault.yaml", "shop.cart.yaml", "shop.web.yaml"]
    further = [
        f"{kind}/{name}.yaml" for kind in ("default-deny", "strict") for name in ("closed", "data", "secure", "shop")
    ]
    assert files(tmp_path / "new") == sorted([*drafts, *further, "refused.jsonl"])
    assert "13 policies drafted, none applied" in run.talk
    head, *refused = map(json.loads, (tmp_path / "new" / "refused.jsonl").read_text().splitlines())
    assert head["allowed"] + sum(row["connections"] for row in refused) == head["connections"] == 1312
    assert {row["reason"] for row in refused} == {*head["reasons"]} == {"denied", "not_decided", "outside_mesh"}
    again = cli(*ALL, "--output", tmp_path / "new")
    assert again.code == 0
    assert "new/strict/shop.yaml: of an earlier advice, no longer part of it" in again.talk


def test_the_report_as_json_holds_everything(cli):
    told = json.loads(cli(*ALL, "-o", "json").out)
    assert (told["report"], told["kind"], told["named_by"], told["findings"]) == (
        "advise", "AuthorizationPolicy", "principals", 0,
    )  # fmt: skip
    assert told["allowed"] + sum(row["connections"] for row in told["refused"]) == told["basis"]["flows"]
    assert {row["workload"] for row in told["drafts"]} == {
        "closed/shut", "data/db", "secure/vault", "shop/cart", "shop/web",
    }  # fmt: skip
    assert told["reasons"]["denied"]["meaning"].startswith("refused by a policy today")


@pytest.mark.parametrize(
    ("form", "begin"), [("markdown", "# Advised policies"), ("html", "<!doctype html>"), ("table", "Advised")]
)
def test_the_report_in_other_forms(cli, form, begin):
    run = cli(*ALL, "-o", form)
    assert run.out.startswith(begin)
    assert "Nothing was applied to a cluster." in run.out


def test_the_drafts_on_stdout(cli):
    run = cli(*ALL, "-o", "yaml", "-n", "shop")
    assert [document["metadata"]["name"] for document in yaml.safe_load_all(run.out)] == ["ztflow-cart", "ztflow-web"]


def test_a_window_that_is_too_short_advises_nothing(cli, tmp_path):
    run = cli(*ALL, "--window", "7d", "--output", tmp_path / "out", "--exit-code")
    assert (run.code, files(tmp_path / "out")) == (1, ["refused.jsonl"])
    assert "short_window" in run.out


def test_without_labels_it_says_what_to_give(cli):
    run = cli("advise", STRICT, "--inventory", STRICT / "pods.txt", "--exit-code")
    assert run.code == 1
    assert "kubectl get pods -A -o json" in run.out


def test_what_an_earlier_policy_lacks_and_has_too_much(cli, tmp_path):
    whole = cli(*ALL, "-o", "yaml").out
    policy = tmp_path / "policy.yaml"
    policy.write_text(whole)
    same = cli(*ALL, "--since-policy", policy, "--exit-code", "--output", tmp_path / "out")
    assert (same.code, files(tmp_path / "out")) == (0, ["refused.jsonl"])
    policy.write_text(whole.replace("- cluster.local/ns/shop/sa/cart\n", "- cluster.local/ns/shop/sa/old\n"))
    other = json.loads(cli(*ALL, "--since-policy", policy, "-o", "json").out)["changes"]
    assert {(row["change"], row["source"]) for row in other} == {
        ("added", "cluster.local/ns/shop/sa/cart"), ("unneeded", "cluster.local/ns/shop/sa/old"),
    }  # fmt: skip


def test_network_policies(cli):
    documents = list(yaml.safe_load_all(cli(*ALL, "--kind", "networkpolicy", "-o", "yaml").out))
    assert {document["kind"] for document in documents} == {"NetworkPolicy"}
    ports = {
        port["port"] for document in documents for rule in document["spec"]["ingress"] for port in rule.get("ports", ())
    }
    assert ports == {15008}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--window", "soon"), "--window: 'soon' is not a duration"),
        (("--with", "plaintext"), "'plaintext' is not one of"),
        (("--without", "no_labels"), "'no_labels' is not one of"),
        (("--dry-run",), "--dry-run needs --release 1.29.0 or later"),
        (("--dry-run", "--release", "1.28"), "--dry-run needs --release 1.29.0 or later"),
        (("--release", "new"), "'new' is no release"),
        (("--kind", "networkpolicy", "--strict-mtls"), "--strict-mtls is for AuthorizationPolicies"),
        (("--since-policy", "missing.yaml"), "missing.yaml: No such file"),
        (("--since-policy", LABELS), "holds no policy"),
        (("--output", STRICT), "is read and lies there"),
        (("--output", STRICT / "pods.txt"), "is a file"),
    ],
)
def test_what_it_refuses(cli, words, complaint):
    run = cli(*ALL, *words)
    assert (run.code, run.out) == (2, "")
    assert complaint in run.talk


def test_somebody_else_s_file_stays(cli, tmp_path):
    (tmp_path / "shop.web.yaml").write_text("mine\n")
    run = cli(*ALL, "--output", tmp_path)
    assert run.code == 2
    assert "no untouched draft of ztflow advise; use --replace" in run.talk
    assert files(tmp_path) == ["shop.web.yaml"]


def test_an_input_that_cannot_be_read_leaves_the_folder_alone(cli, tmp_path):
    run = cli("advise", tmp_path / "missing.log", "--output", tmp_path / "out")
    assert (run.code, (tmp_path / "out").exists()) == (3, False)
