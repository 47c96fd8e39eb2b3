"""What the packages of mnist/ import: for the rules that tests hold, and for the picture in docs/architecture.md."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
House = dict[str, str]  # "mnist.vision.ink" → its source
PATHS = sorted((ROOT / "mnist").rglob("*.py"))
COMMANDS = ("app", "train", "retrain")


def house() -> House:
    """Every module of ours but the migrations, which Alembic runs by itself."""
    paths = [path for path in PATHS if "migrations" not in path.parts] + [ROOT / f"{name}.py" for name in COMMANDS]
    return {_module(path): path.read_text() for path in paths}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    """The package of mnist/ that a module is in, or the file itself: "vision", "drawing", "app"."""
    parts = module.split(".")
    is_within = parts[0] == "mnist" and len(parts) > 1 and not parts[1].startswith("_")  # __version__ is everybody's
    return parts[1] if is_within else parts[0]


def imports(source: str) -> Iterator[str]:
    """Everything that a module imports, at any depth of it; a name imported from a module as "module.name"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(source: str) -> set[str]:
    """The rooms of ours that a module imports from."""
    return {room(name) for name in imports(source) if name.split(".")[0] in ("mnist", *COMMANDS)}


def packages_of(source: str) -> set[str]:
    """The packages from elsewhere that a module imports."""
    names = {name.split(".")[0] for name in imports(source)}
    return names - {"mnist", *COMMANDS} - sys.stdlib_module_names


def arrows(of: House) -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    found: dict[str, set[str]] = {}
    for module, source in of.items():
        found.setdefault(room(module), set()).update(rooms_of(source) - {room(module), "mnist"})
    return found
