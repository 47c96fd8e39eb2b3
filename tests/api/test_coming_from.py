"""docs/coming-from.md, on small databases and folders of the shapes it names."""

import re
import shutil
import subprocess
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL

from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.upgrade import upgrade
from tests.support.pictures import seven
from tests.support.rows import stored
from tests.test_upgrade import GOOD, ROOT, make, picture

TEXT = (ROOT / "docs" / "coming-from.md").read_text()


def block(beginning: str) -> str:
    """The lines to paste that begin so."""
    [found] = [
        each for each in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.M) if each.strip().startswith(beginning)
    ]
    return textwrap.dedent(found)


def upgraded(folder: Path) -> list[object]:
    """(label, what was read, when, the picture's first bytes) of each drawing, by time, once old.csv is upgraded."""
    made = subprocess.run(["bash", "-c", block("python3 - old.csv")], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    engine = connect(URL.create("sqlite", database=str(folder / "old.db")))
    done = upgrade(engine)
    assert done is not None
    drawings = sorted(Repository(engine).recent(limit=100), key=lambda each: each.created_at)
    engine.dispose()
    return [(each.true_label, each.predicted_digit, each.created_at, each.image[:4]) for each in drawings]


def test_a_table_of_mysql_comes_over_by_a_file(mariadb_url, tmp_path):
    client = shutil.which("mariadb")
    if client is None:
        pytest.skip("MariaDB's client is not installed")
    make(mariadb_url).dispose()
    [line] = [each for each in block("mariadb").splitlines() if each.startswith("mariadb")]
    where = f"mariadb --no-defaults -h 127.0.0.1 -P {mariadb_url.port} -u root"
    line = line.replace("mariadb", where, 1).replace('predictions" mnist', f'predictions" {mariadb_url.database}')
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    found = upgraded(tmp_path)

    assert [(label, read) for label, read, *_ in found] == [(None, 7), (1, 7), (9, 4), (1, 1), (3, None)]
    assert [when for *_, when, _ in found] == [datetime(2025, 3, 4, 5, 6, number, tzinfo=UTC) for number in GOOD]
    assert {kind for *_, kind in found} == {b"\x89PNG"}


def test_a_table_of_cassandra_comes_over_by_a_file(tmp_path):
    """As cqlsh writes it: 0x before a blob, nothing for null, a zone at each time."""
    rows = ["id,predicted_digit,true_label,image,created_at"]
    for number, (read, label) in enumerate((("7", "1"), ("4", ""), ("", "9"))):
        when = f"2025-03-04 05:06:0{number}.000+0000"
        rows.append(f"1b4e28ba-2fa1-11d2-883f-b9a76{number:07d},{read},{label},0x{picture('PNG').hex()},{when}")
    (tmp_path / "old.csv").write_text("\r\n".join(rows) + "\r\n")

    found = upgraded(tmp_path)

    assert [(label, read) for label, read, *_ in found] == [(1, 7), (None, 4), (9, None)]
    assert found[2][2] == datetime(2025, 3, 4, 5, 6, 2, tzinfo=UTC)


def test_a_folder_of_labelled_pictures_comes_over(server, tmp_path):
    before = {each.id for each in stored(server[1])}
    for name in ("1/some one.png", "7/a.png", "7/b.png"):
        (tmp_path / "digits" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "digits" / name).write_bytes(seven())
    program = block("for file in").replace("http://localhost:8501", server[0])

    done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True)

    assert done.stdout.count('"id"') == 3, done.stdout + done.stderr
    assert sorted(str(each.true_label) for each in stored(server[1]) if each.id not in before) == ["1", "7", "7"]
