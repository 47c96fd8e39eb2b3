"""The documents say nothing that is not there."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.store.test_drawings import drawing

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TOP_LEVEL = "app.py train.py init.sql environment.yml Makefile pyproject.toml LICENSE CHANGELOG.md"
TOP_LEVEL += " requirements.txt requirements-mysql.txt"


def read(document: Path) -> str:
    return document.read_text()


@pytest.mark.parametrize("name", [*TOP_LEVEL.split(), "mnist/weights", ".env.example", ".streamlit/config.toml"])
def test_what_belongs_at_the_top_is_there(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_picture_of_a_document_exists(document):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", read(document)):
        assert (document.parent / target).exists(), f"{document.name} points to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_code_quotes_exists(document):
    quoted = re.findall(r"`((?:mnist|tests|docs|deploy|benchmarks)/[\w./-]*|\w+\.(?:py|toml|sql|yml))`", read(document))
    for path in quoted:
        assert (ROOT / path).exists(), f"{document.name} names {path}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_and_script_in_a_document_exists(document):
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z-]+)\b", "\n".join(code(document))):
        assert target in targets, f"{document.name}: make {target}"
    for script in re.findall(r"python3? ((?:\w+/)*\w+\.py)", "\n".join(code(document))):
        assert (ROOT / script).exists(), f"{document.name}: {script}"


def test_the_requirements_pin_every_package_exactly():
    for name in ("requirements.txt", "requirements-mysql.txt", "requirements-dev.txt"):
        for line in read(ROOT / name).splitlines():
            package = line.split("#")[0].strip()
            if package and not package.startswith("-r "):
                assert re.fullmatch(r"[\w.\[\]-]+==[\w.]+", package), f"{name}: {line}"


def test_nothing_of_mnist_is_in_the_repository():
    assert not [path for path in (ROOT / "docs").rglob("*") if "ubyte" in path.name]


def test_the_deletion_of_old_drawings_takes_those_alone_that_nobody_labelled(transactional_url):
    [deletion] = re.findall(r'"(DELETE FROM predictions [^"]+)"', read(ROOT / "docs" / "deployment.md"))
    if transactional_url.get_backend_name() == "sqlite":
        deletion = deletion.replace("now() - interval '1 year'", "datetime('now', '-1 year')")  # as the text says
    now = datetime.now(UTC)
    long_ago, lately = now - timedelta(days=370), now - timedelta(days=360)
    old, labelled, young = (
        drawing(created_at=long_ago),
        drawing(created_at=long_ago, true_label=7, labelled_at=long_ago),
        drawing(created_at=lately),
    )
    engine = connect(transactional_url)
    repository = Repository(engine)
    repository.add_all([old, labelled, young])

    with create_engine(transactional_url).begin() as connection:
        connection.execute(text(deletion))

    assert {each.id for each in repository.recent(limit=10)} == {labelled.id, young.id}
    engine.dispose()


def code(document: Path) -> list[str]:
    """Code blocks and code quotes of a document."""
    text = read(document)
    return [*re.findall(r"```\w*\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]
