"""What a developer relies on: one version everywhere, and the same checks before a commit as in CI."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mnist
from mnist import services
from mnist.api.application import make_api

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_version_is_written_once_and_the_newest_release_of_the_changelog():
    releases = re.findall(r"^## \[(.+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mnist.__version__"}
    assert releases[0] == mnist.__version__
    assert releases == sorted(releases, key=lambda name: [*map(int, name.split("."))], reverse=True)


def test_every_heading_of_the_changelog_is_a_release_with_its_day():
    headings = re.findall(r"^## .+$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    headings = headings[headings[0] == "## [Unreleased]" :]  # what the next release will bring
    assert [each for each in headings if not re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each)] == []


def test_the_api_s_document_tells_the_version():
    settings = services.Settings.from_environment({})
    api = make_api(services.recogniser, settings, services.Metrics(), services.administration, services.sign_in)

    assert api.openapi()["info"]["version"] == mnist.__version__


@pytest.mark.parametrize("command", ["train.py", "retrain.py"])
def test_a_command_tells_its_version(command):
    done = subprocess.run([sys.executable, command, "--version"], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, f"{command} {mnist.__version__}\n"), done.stderr


def test_before_a_commit_runs_what_make_check_runs():
    makefile, hooks = (ROOT / "Makefile").read_text(), (ROOT / ".pre-commit-config.yaml").read_text()
    [recipe] = re.findall(r"^check:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)
    checks = [line.replace("@$(BIN)/", ".venv/bin/") for line in recipe.split("\t") if line]

    assert re.findall(r"^ +entry: (.+\n)", hooks, re.MULTILINE) == checks
    assert set(re.findall(r"repo: (.+)", hooks)) == {"local"}  # nothing is fetched
    assert len(re.findall("pass_filenames: false", hooks)) == len(checks)


def test_the_hooks_can_be_read_by_what_runs_them():
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]

    assert subprocess.run(command, cwd=ROOT).returncode == 0


def test_the_suite_measures_its_coverage_and_there_is_a_floor():
    [recipe] = re.findall(r"^test:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert "--cov" in recipe.split()
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 50
    assert set(PROJECT["tool"]["coverage"]["run"]["source"]) == {"mnist", "app", "train", "retrain"}


def test_warnings_are_errors_and_so_is_a_failure_that_is_gone():
    options = PROJECT["tool"]["pytest"]["ini_options"]

    assert (options["filterwarnings"][0], options["xfail_strict"], PROJECT["tool"]["mypy"]["strict"]) == (
        "error",
        True,
        True,
    )
