"""The rules of the house: which room may know which."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "mnist").rglob("*.py"))
MODEL_SIDE = {
    *("network", "classifier", "second_look", "calibration", "training", "data", "tuning", "gate", "trust"),
    *("preprocess", "images", "photo", "rules", "segment", "reading"),
    *("pen", "strokes", "styles", "outliers"),
}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any depth of it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_streamlit_stays_in_the_page(path):
    if path.parent.name != "ui":
        assert "streamlit" not in packages(path)


@pytest.mark.parametrize("name", sorted(MODEL_SIDE))
def test_the_model_side_knows_neither_page_nor_database(name):
    path = ROOT / "mnist" / f"{name}.py"

    assert not packages(path) & {"streamlit", "sqlalchemy", "fastapi", "starlette"}
    assert not {found for found in imported(path) if found.startswith(("mnist.ui", "mnist.store.drawings"))}


@pytest.mark.parametrize("name", ["repository", "database", "settings"])
def test_the_database_side_never_loads_torch(name):
    program = f"import mnist.{name}, sys; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    "package",
    [
        "torchvision",
        "altair",
        "pandas",
        "alembic",
        "fastapi",
        "pydantic",
        "psycopg2",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.dialects.mysql",
    ],
)
def test_drawing_never_loads(package):
    # The canvas itself needs Streamlit's server around it.
    modules = "app, mnist.ui.answer, mnist.ui.views.history, mnist.ui.views.administration, sys"
    program = f"import {modules}; sys.exit({package!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_garbage_collector_rests_while_the_application_is_imported_and_not_after():
    program = (
        "import gc, sys; runs = []; gc.callbacks.append(lambda *_: runs.append(1)); import app; "
        "print(len(runs), gc.isenabled(), len(gc.get_objects()))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    runs, is_enabled, seen = done.stdout.split()
    assert int(runs) < 20  # 1,260 otherwise
    assert is_enabled == "True"
    assert int(seen) < 10_000  # 250,000 otherwise, in the first collection after the start and in every full one


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_reads_the_environment(path):
    if path.name != "settings.py":
        source = path.read_text()
        assert "os.environ" not in source
        assert "getenv" not in source


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_page_remembers_no_other_event_cuts_in_two(path):
    if path.name not in {"memory.py", "labels.py"}:  # the one place for it, and a widget whose value it is
        assert "session_state" not in path.read_text()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_a_drawer_for_odds_and_ends(path):
    assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}
    assert ast.get_docstring(ast.parse(path.read_text())), "say in one sentence what this file owns"


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name == "mnist"], ids=lambda path: path.stem)
def test_the_documentation_names_every_room(path):
    if path.stem != "__init__":
        assert f"`mnist/{path.name}`" in (ROOT / "docs" / "architecture.md").read_text()
