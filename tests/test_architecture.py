"""The rules of the house, as docs/architecture.md states them: which package may know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable

import pytest

from docs.packages import FLOORS, PICTURE, picture
from tests.support.house import PATHS, ROOT, House, arrows, house, imports, packages_of, room, rooms_of


def _breaches(of: House, rooms: set[str], *, ours: set[str], others: set[str] | None = None) -> list[str]:
    """What modules of these rooms import beside their own room, `ours` and, unless it is None, `others`."""
    found = []
    for module, source in of.items():
        if room(module) in rooms:
            more = rooms_of(source) - ours - {room(module), "mnist"}
            found += [f"{module} imports {name}" for name in sorted(more)]
            if others is not None:
                found += [f"{module} imports {name}" for name in sorted(packages_of(source) - others)]
    return found


def _only_in(of: House, package: str, places: Callable[[str], bool]) -> list[str]:
    """Modules that import a package and are in none of its places."""
    return [module for module, source in of.items() if package in packages_of(source) and not places(module)]


def vision_knows_numpy_opencv_and_pillow_only(of: House) -> list[str]:
    return _breaches(of, {"vision"}, ours=set(), others={"numpy", "cv2", "PIL"})


def the_model_knows_vision_and_torch(of: House) -> list[str]:
    return _breaches(of, {"model"}, ours={"vision", "drawing"}, others={"numpy", "cv2", "torch"})


def training_knows_the_model_and_alone_torchvision(of: House) -> list[str]:
    return _breaches(of, {"training"}, ours={"model", "vision"}) + _only_in(
        of, "torchvision", lambda module: room(module) == "training"
    )


def the_words_the_settings_and_the_metrics_know_nothing_of_ours(of: House) -> list[str]:
    return _breaches(of, {"drawing", "settings", "metrics"}, ours=set()) + _breaches(
        of, {"drawing"}, ours=set(), others=set()
    )


def the_store_knows_words_and_settings_and_no_picture(of: House) -> list[str]:
    return _breaches(of, {"store"}, ours={"drawing", "settings"}, others={"sqlalchemy", "psycopg2", "alembic"})


def recognition_knows_vision_the_model_and_the_store(of: House) -> list[str]:
    return _breaches(of, {"recognition"}, ours={"vision", "model", "store", "drawing", "metrics"})


def retraining_knows_what_lies_below_it_and_sql_only_as_an_engine(of: House) -> list[str]:
    below = {"training", "model", "vision", "store", "drawing", "settings"}
    sql = {name for name in imports("\n".join(_sources(of, "retraining"))) if name.startswith("sqlalchemy")}
    return (
        _breaches(of, {"retraining"}, ours=below)
        + sorted(sql - {"sqlalchemy.Engine"})
        + [
            module
            for module, source in of.items()
            if room(module) == "retraining" and module != "mnist.retraining.run" and "sqlalchemy" in packages_of(source)
        ]
    )


def _sources(of: House, name: str) -> list[str]:
    return [source for module, source in of.items() if room(module) == name]


def the_web_knows_starlette_and_the_api_knows_recognition(of: House) -> list[str]:
    above = {"recognition", "store", "web", "archive", "model", "vision", "drawing", "metrics", "settings"}
    packages = {"starlette", "anyio", "brotli", "itsdangerous"}
    return _breaches(of, {"web"}, ours={"drawing"}, others=packages) + _breaches(of, {"api"}, ours=above)


def streamlit_stays_in_the_page_whose_views_do_not_know_each_other(of: House) -> list[str]:
    found = _only_in(of, "streamlit", lambda module: room(module) in ("ui", "app"))
    for module, source in of.items():
        views = {name.split(".")[3] for name in imports(source) if name.startswith("mnist.ui.views.")}
        views -= {module.split(".")[-1]}
        is_excepted = module == "mnist.ui.views.history" and views == {"drawing"}
        if views and module != "mnist.ui.main" and not is_excepted:
            found.append(f"{module} imports the views {sorted(views)}")
    return found


def nobody_knows_what_stands_above(of: House) -> list[str]:
    knows = {"app": set(), "ui": {"app"}, "api": {"app"}, "services": {"ui", "app", "transfer"}}
    return [
        f"{module} imports {above}"
        for module, source in of.items()
        for above in sorted(rooms_of(source) & knows.keys())
        if room(module) not in {above, *knows[above]}
    ]


# Each rule, and a line in a module that breaks it.
RULES: dict[Callable[[House], list[str]], tuple[str, str]] = {
    vision_knows_numpy_opencv_and_pillow_only: ("mnist.vision.ink", "import torch"),
    the_model_knows_vision_and_torch: ("mnist.model.classifier", "from mnist.training.fit import fit"),
    training_knows_the_model_and_alone_torchvision: ("mnist.recognition.recogniser", "import torchvision"),
    the_words_the_settings_and_the_metrics_know_nothing_of_ours: ("mnist.drawing", "from mnist import settings"),
    the_store_knows_words_and_settings_and_no_picture: ("mnist.store.tables", "from mnist.vision.ink import INK"),
    recognition_knows_vision_the_model_and_the_store: ("mnist.recognition.batching", "import mnist.retraining.run"),
    retraining_knows_what_lies_below_it_and_sql_only_as_an_engine: (
        "mnist.retraining.run",
        "from sqlalchemy import text",
    ),
    the_web_knows_starlette_and_the_api_knows_recognition: ("mnist.web.sockets", "from mnist.store import tables"),
    streamlit_stays_in_the_page_whose_views_do_not_know_each_other: (
        "mnist.ui.views.insight",
        "from mnist.ui.views import model",
    ),
    nobody_knows_what_stands_above: ("mnist.recognition.recogniser", "from mnist import services"),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule):
    assert rule(house()) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_notices_when_it_is_broken(rule):
    module, line = RULES[rule]
    built = house()
    built[module] += f"\n{line}\n"

    assert rule(built) != []


@pytest.mark.parametrize("module", ["mnist.store.drawings", "mnist.store.schema", "mnist.settings", "mnist.drawing"])
def test_the_database_side_never_loads_torch(module):
    program = f"import {module}, sys; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_domains_words_load_no_sql():
    program = "import mnist.drawing, sys; sys.exit('sqlalchemy' in sys.modules)"

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


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_settings_reads_the_environment(path):
    if path.name != "settings.py":
        source = path.read_text()
        assert "os.environ" not in source
        assert "getenv" not in source


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_page_remembers_no_other_event_cuts_in_two(path):
    # One place for it, and a widget whose value it is.
    if path.name not in {"session_state.py", "label_buttons.py"}:
        assert "st.session_state" not in path.read_text()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_is_a_drawer_for_odds_and_ends(path):
    assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}
    assert ast.get_docstring(ast.parse(path.read_text())), "say in one sentence what this file owns"


TABLES_OF_DATA = {"digit_styles.py", "non_digits.py"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_three_hundred_lines(path):
    if path.name not in TABLES_OF_DATA:
        assert len(path.read_text().splitlines()) <= 300


def test_the_picture_of_the_packages_is_the_one_that_the_imports_give():
    assert PICTURE.read_text() == picture(arrows(house())), "make it anew: python -m docs.packages"


def test_no_arrow_between_packages_points_upwards():
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    found = arrows(house())

    assert floor.keys() == found.keys() - {"mnist"}
    assert [(above, below) for above in floor for below in found[above] if floor[above] >= floor[below]] == []


def test_at_most_eight_files_stand_beside_the_packages():
    assert len([path for path in PATHS if path.parent.name == "mnist"]) <= 8
