"""`ztflow check`: policies and a capture in, what would change out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from policies_by_hand import authorization

from ztflow.cli.run import FINDINGS, OK, USAGE

FIXTURES = Path(__file__).parents[2] / "fixtures"
DRY = FIXTURES / "policy" / "1.31.0-head-dryrun"
STRICT = FIXTURES / "policy" / "1.31.0-head-strict"
PODS = FIXTURES / "inventory" / "captured" / "pods.json"
DENY = "[{from: [{source: {namespaces: [monitoring]}}]}]"


@pytest.fixture
def policy(tmp_path):
    def write(*documents, name="p.yaml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump_all(documents))
        return path

    return write


def logs(folder):
    return sorted(folder.glob("ztunnel-*.log.gz"))


def found(cli, *words, folder=DRY):
    result = cli("check", *logs(folder), "-o", "json", "--inventory", folder / "pods.txt", *words)
    assert result.code == OK, result.talk
    return json.loads(result.out)


def test_the_policies_of_a_run_change_nothing_in_it(cli):
    for folder, refused in ((DRY, 42), (STRICT, 63)):
        values = found(cli, "--policy", folder / "config.yaml", "--exit-code", folder=folder)
        assert (values["changed"], values["findings"], values["refused"]) == ([], 0, refused)


def test_a_policy_that_would_refuse_traffic_is_told_and_is_an_exit_code(cli, policy):
    path = policy(authorization(DENY, namespace="shop", name="no-prober", action="DENY"))
    values = found(cli, "--policy", path, "--policy", DRY / "config.yaml")
    refused = [row for row in values["changed"] if row["verdict"] == "refused"]
    assert {row["policy"] for row in refused} == {"shop/no-prober"}
    assert sum(row["flows"] for row in refused) == values["newly_refused"] == 546
    words = ("check", *logs(DRY), "--policy", path, "--exit-code")
    assert cli(*words).code == FINDINGS
    assert cli(*words[:-1]).code == OK


def test_dry_run_lines_are_read(cli, policy):
    values = found(cli, "--policy", DRY / "config.yaml")
    assert all(row["evaluated"] == row["logged"] for row in values["dry_run"])
    assert sum(row["logged"] for row in values["dry_run"]) == 740
    dry = authorization(DENY, namespace="shop", name="try-no-prober", action="DENY", **{"istio.io/dry-run": "true"})
    values = found(cli, "--policy", policy(dry))
    assert {row["policy"] for row in values["rules"]} == {"shop/try-no-prober"}  # the log shows that istiod sends them
    prober = [row for row in values["dry_run"] if row["dst"].startswith("shop/")]
    assert [row["evaluated"] for row in prober] == [row["logged"] for row in prober] == [291, 255]


def test_a_dry_run_policy_is_not_sent_where_nothing_says_it_is(cli, policy):
    dry = authorization(DENY, namespace="shop", action="DENY", **{"istio.io/dry-run": "true"})
    values = found(cli, "--policy", policy(dry), folder=STRICT)
    assert [row["kind"] for row in values["dead"]] == ["not sent"]
    values = found(cli, "--policy", policy(dry), "--dry-run-sent", folder=STRICT)
    assert values["dead"] == []
    assert sum(row["evaluated"] for row in values["dry_run"]) > 500
    values = found(cli, "--policy", policy(dry), "--release", "1.25.1", folder=STRICT)
    assert values["release"] == "1.25.1"
    assert values["newly_refused"] > 500


def test_labels_come_from_the_inventory(cli, policy):
    path = policy(authorization(namespace="data", selector={"matchLabels": {"app": "db"}}))
    values = found(cli, "--policy", path)
    assert (values["newly_refused"], values["unknown"] > 100) == (0, True)
    values = found(cli, "--policy", path, "--inventory", PODS)
    assert values["unknown"] == 2
    assert {row["dst"] for row in values["changed"] if row["verdict"] == "refused"} == {"data/db"}


def test_filters_choose_the_connections(cli, policy):
    whole = found(cli, "--policy", DRY / "config.yaml")
    part = found(cli, "--policy", DRY / "config.yaml", "--to-namespace", "secure")
    assert 0 < part["flows"] < whole["flows"]
    assert part["refused"] == 21
    assert part["dry_run"] == []
    assert found(cli, "--policy", DRY / "config.yaml", "--first", "5")["flows"] == 5


def test_the_root_namespace(cli, policy):
    path = policy(authorization(namespace="mesh-root"))
    assert (
        found(cli, "--policy", path)["refused"]
        < found(cli, "--policy", path, "--root-namespace", "mesh-root")["refused"]
    )


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_the_other_forms(cli, form, policy):
    path = policy(authorization(DENY, namespace="shop", action="DENY"))
    result = cli("check", *logs(DRY), "--policy", path, "-o", form, "--inventory", DRY / "pods.txt")
    assert result.code == OK
    assert "Newly refused" in result.out
    assert "monitoring/prober" in result.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--policy"),
        (["--policy", "none.yaml"], "none.yaml: No such file"),
        (["--policy", str(DRY / "pods.txt")], "holds no policy"),
        (["-", "--policy", "-"], "cannot both come from standard input"),
        (["--policy", str(DRY / "config.yaml"), "--release", "latest"], "'latest' is no release; write it as 1.29"),
    ],
)
def test_errors_come_before_anything_is_read(cli, words, said):
    result = cli("check", *logs(DRY), *words)
    assert result.code == USAGE
    assert said in result.talk
    assert "Traceback" not in result.talk


def test_a_policy_file_is_never_overwritten(cli, policy):
    path = policy(authorization(DENY, action="DENY"))
    before = path.read_bytes()
    assert cli("check", *logs(DRY), "--policy", path, "--output", path, "-o", "json").code == USAGE
    assert path.read_bytes() == before


def test_policies_from_standard_input_with_logs_from_files(cli):
    text = yaml.safe_dump(authorization(DENY, namespace="shop", action="DENY")).encode()
    result = cli("check", *logs(DRY), "--policy", "-", "-o", "json", stdin=text)
    assert json.loads(result.out)["newly_refused"] > 0


def test_what_ztunnel_says_of_its_release_is_taken(cli, policy, tmp_path):
    line = '2026-11-29T07:26:44.371529Z\tinfo\tztunnel\tversion: version.BuildInfo{RustVersion:"1.85.1", GitTag:"1.24.6", IstioVersion:"1.24.6"}\n'
    log = tmp_path / "a.log"
    log.write_text(line)
    accounts = '[{from: [{source: {serviceAccounts: ["shop/web"]}}]}]'
    result = cli("check", log, "--policy", policy(authorization(accounts)), "-o", "json")
    values = json.loads(result.out)
    assert values["release"] == "1.24.6"
    assert [row["kind"] for row in values["dead"]] == ["never fires"]
