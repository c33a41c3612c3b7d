"""Puts the manual page and the completions of shells into the wheel, made from the commands as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SharedData(BuildHookInterface):  # type: ignore[type-arg]  # of the configuration of any builder
    """Run by hatchling before it packs a wheel; an editable one has them too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files aside and name their places in the installation."""
        del version
        sys.path.insert(0, self.root)
        from ztflow.cli.app import program
        from ztflow.cli.manual import shared_data

        self._aside = Path(self.directory, "shared-data")
        for place, text in shared_data(program).items():
            file = self._aside / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(file)] = place

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove them again."""
        del version, build_data, artifact_path
        import shutil

        shutil.rmtree(self._aside)
