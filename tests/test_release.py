"""`make release` on a copy of the files that it changes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

FILES = ("Makefile", "CHANGELOG.md", "mnist/__init__.py", "deploy/kubernetes/kustomization.yaml")
AUTHOR = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "a tester"), ("EMAIL", "tester@example.org"))
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n- A thing.\n")
    for command in ("init -q", "add --all", "commit -qm first"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True, env={**os.environ, **AUTHOR})
    return tmp_path


def release(folder: Path, version: str) -> int:
    return subprocess.run(
        ["make", "release", f"VERSION={version}"], cwd=folder, env={**os.environ, **AUTHOR}
    ).returncode


def test_a_release_carries_its_version_everywhere(checkout):
    assert release(checkout, "7.8.9") == 0

    assert '__version__ = "7.8.9"' in (checkout / "mnist/__init__.py").read_text()
    assert "newTag: 7.8.9\n" in (checkout / "deploy/kubernetes/kustomization.yaml").read_text()
    assert "## [7.8.9] - 20" in (checkout / "CHANGELOG.md").read_text()
    tags = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout
    assert tags == "v7.8.9\n"


@pytest.mark.parametrize("version", ["", "7.8", "7.8.9-beta"])
def test_a_release_without_a_proper_version_changes_nothing(checkout, version):
    assert release(checkout, version) != 0
    status = subprocess.run(["git", "status", "--short"], cwd=checkout, capture_output=True, text=True).stdout
    assert status == ""
