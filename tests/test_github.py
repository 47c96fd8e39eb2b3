"""What the code host reads is what its published schemas ask for, and calls what is there."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = {
    "vendor.github-workflows": sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
}


def valid(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_keep_to_the_published_schema(schema):
    done = valid(schema, *SCHEMAS[schema])

    assert done.returncode == 0, done.stdout


def test_a_mistake_in_a_workflow_is_found(tmp_path):
    wrong = tmp_path / "check.yml"
    wrong.write_text((ROOT / ".github" / "workflows" / "check.yml").read_text().replace("runs-on", "run-on"))

    assert valid("vendor.github-workflows", wrong).returncode == 1


def test_workflows_run_targets_that_the_makefile_has():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in SCHEMAS["vendor.github-workflows"]:
        assert set(re.findall(r"run: make ([a-z-]+)", file.read_text())) <= targets


def test_issue_forms_and_the_development_container_can_be_read():
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        assert {"name", "description", "body"} <= set(yaml.safe_load(form.read_text()))
    assert json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())["postCreateCommand"] == "make install"


def test_the_notes_of_a_release_are_its_chapter_of_the_changelog(tmp_path):
    [awk] = re.findall(r"^ +(awk .*) > notes\.md$", (ROOT / ".github/workflows/release.yml").read_text(), re.MULTILINE)
    (tmp_path / "CHANGELOG.md").write_text("## [0.3.0] - today\nnew\n\n## [0.2.0]\nold\n")

    said = subprocess.run(
        ["sh", "-c", f"version=0.3.0; {awk}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert said.stdout == "new\n\n"
