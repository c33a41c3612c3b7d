"""Where drafts are written: whole, never over somebody's work, never among what is read."""

from __future__ import annotations

import pytest

from ztflow.errors import OutputError, UsageError
from ztflow.policy.advice import check_folder, manifest, write_folder
from ztflow.policy.advice.documents import default_deny, strict
from ztflow.policy.advice.folder import REFUSED_FILE, REFUSED_MARK

FILES = {one.file: manifest(one) for one in (default_deny("shop"), strict("shop"))}
FILES |= {"shop.web.yaml": manifest(default_deny("web")), REFUSED_FILE: REFUSED_MARK + "}\n"}


def written(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_made_and_filled(tmp_path):
    assert write_folder(str(tmp_path / "new"), FILES) == []
    assert written(tmp_path / "new") == FILES


def test_untouched_drafts_are_replaced(tmp_path):
    write_folder(str(tmp_path), FILES)
    later = FILES | {"shop.web.yaml": manifest(default_deny("other"))}
    write_folder(str(tmp_path), later)
    assert written(tmp_path) == later


@pytest.mark.parametrize("name", ["shop.web.yaml", REFUSED_FILE, "default-deny/shop.yaml"])
@pytest.mark.parametrize("text", ["spec: mine\n", "edited"])
def test_what_is_not_ours_or_was_edited_stays_and_nothing_is_written(tmp_path, name, text):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(
        FILES[name].replace("shop", "mine") + "#\n" if text == "edited" and name != REFUSED_FILE else text
    )
    before = written(tmp_path)
    with pytest.raises(OutputError, match=f"{name}.*--replace"):
        write_folder(str(tmp_path), FILES)
    assert written(tmp_path) == before
    write_folder(str(tmp_path), FILES, replace=True)
    assert written(tmp_path) == FILES


def test_drafts_of_an_earlier_advice_are_left_and_named(tmp_path):
    write_folder(str(tmp_path), FILES)
    (tmp_path / "mine.yaml").write_text("spec: mine\n")
    assert write_folder(str(tmp_path), {REFUSED_FILE: FILES[REFUSED_FILE]}) == [
        "default-deny/shop.yaml", "shop.web.yaml", "strict/shop.yaml",
    ]  # fmt: skip
    assert "shop.web.yaml" in written(tmp_path)


def test_a_folder_with_what_is_read_is_refused(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "ztunnel-abcde.log").write_text("x\n")
    inputs = [str(logs), str(logs / "ztunnel-abcde.log"), f"{logs}/*.log"]
    for one in inputs:
        with pytest.raises(UsageError, match="is read"):
            check_folder(str(logs), [one])
        with pytest.raises(UsageError, match="is read"):
            check_folder(str(tmp_path), [one])
        check_folder(str(tmp_path / "policies"), [one, "-"])
    with pytest.raises(UsageError, match="is read"):
        check_folder(str(logs / "policies"), [str(logs)])
    (tmp_path / "link").symlink_to(logs)
    with pytest.raises(UsageError, match="is read"):
        check_folder(str(tmp_path / "link"), inputs[1:2])


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check_folder(str(tmp_path / "x"), [])
