"""The command: its words, its JSON, its exit codes."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import retrain
from mnist.store.engine import connect
from mnist.store.locks import run_lock
from tests.support import lessons
from tests.support.lessons import drawings, give, sevens, visitors

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def command(sqlite_url, tmp_path, monkeypatch, capsys):
    """Runs retrain.py in this process, in the small world; returns (exit code, stdout, stderr)."""
    weights = tmp_path / "digits.pt"
    weights.write_bytes(lessons.shipped())
    monkeypatch.setenv("DATABASE_URL", sqlite_url.render_as_string())
    monkeypatch.setattr(retrain, "SHIPPED_WEIGHTS", weights)
    monkeypatch.setattr(retrain, "load_replay_data", lambda *folders: lessons.replay_data())
    monkeypatch.setattr(retrain, "be_modest", lambda threads: None)
    monkeypatch.setattr("mnist.retraining.run.FineTuningHyperparameters", lambda: lessons.RECIPE)
    lessons.widen(monkeypatch)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = retrain.main([*arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_a_person_reads_one_line_and_a_machine_one_object(command, repository, registry):
    give(repository, sevens(40), [7] * 40, visitors(40))
    registry.active()

    code, out, _ = command("--json")

    said = json.loads(out)
    assert (code, said["outcome"], said["version"]) == (0, "promoted", 2)
    assert said["rows"] > 20
    assert said["after"]["user_drawn"] > said["before"]["user_drawn"]
    code, out, _ = command()
    assert (code, out) == (0, "nothing to do: 0 new labels, and a run needs 10\n")


def test_a_rejected_candidate_exits_with_3(command, repository, monkeypatch):
    give(repository, sevens(40), [7] * 40, visitors(40))
    monkeypatch.setattr("mnist.retraining.gate.failures", lambda *sheets: ["MNIST falls from 99.70 % to 98.00 %"])

    code, out, _ = command()

    assert code == 3
    assert "rejected: MNIST falls from 99.70 % to 98.00 %" in out


def test_while_another_run_works_it_exits_with_4(command, sqlite_url):
    engine = connect(sqlite_url)
    with run_lock(engine):
        code, out, err = command()
        assert (code, out) == (4, "")
        assert "Another retraining" in err
        assert json.loads(command("--json")[1])["outcome"] == "already_running"
    engine.dispose()


def test_how_many_labels_are_enough_can_be_said(command, repository):
    give(repository, sevens(12), [7] * 12, visitors(12))

    code, out, _ = command("--min-feedback", "13")

    assert (code, out) == (0, "nothing to do: 12 new labels, and a run needs 13\n")


def test_a_dry_run_says_what_would_be_left_out_and_why_and_changes_nothing(command, repository, registry, labels):
    give(repository, sevens(30), [7] * 30, visitors(30))
    [wrong] = give(repository, drawings(1, 44, 0), [6], ["vandal"])
    give(repository, drawings(1, 45, 0), [None], ["vandal"])

    code, out, _ = command("--dry-run")

    assert code == 0
    assert "1  not_a_digit" in out
    assert f"disputed: {wrong} labelled 6 by session vandal" in out
    assert "dry run:" in out
    assert registry.versions() == []
    assert labels.waiting() == 32
    assert json.loads(command("--dry-run", "--json")[1])["outcome"] == "dry_run"


def test_versions_can_be_listed_and_rolled_back(command, registry):
    assert command("--list")[0] == 0
    registry.seed(b"shipped", {})
    registry.promote(b"tuned", {"rows": 12, "why": []}, parent=1, replaces=1, marks=[])
    registry.reject(b"bad", {"rows": 13, "why": ["MNIST falls"]}, parent=1, marks=[])

    code, out, _ = command("--list")

    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["v3", "rejected"],
        ["v2", "active"],
        ["v1", "retired"],
    ]
    assert "MNIST falls" in out
    assert command("--rollback")[1].startswith("Version 1 is active again")
    assert command("--rollback", "v2")[0] == 0
    rolled_back = json.loads(command("--rollback", "1", "--json")[1])
    assert (rolled_back["outcome"], rolled_back["version"]) == ("rolled_back", 1)
    code, _, err = command("--rollback", "3")
    assert (code, registry.active_number()) == (1, 1)
    assert "never served" in err
    [newest, *_] = json.loads(command("--list", "--json")[1])["versions"]
    assert (newest["version"], newest["status"]) == (3, "rejected")


def test_a_database_that_is_away_is_an_error_in_words(command, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://someone:secret@127.0.0.1:9/mnist")

    code, out, err = command()

    assert (code, out) == (1, "")
    assert "Nothing was changed" in err
    assert "secret" not in err
    assert json.loads(command("--json")[1])["outcome"] == "error"


def test_without_mnist_nothing_is_changed(command, repository, sqlite_url, monkeypatch, tmp_path):
    from mnist.retraining.replay_data import load_replay_data
    from mnist.training.datasets import torchvision_datasets

    monkeypatch.setattr(torchvision_datasets().MNIST, "mirrors", ["http://127.0.0.1:9/"])
    monkeypatch.setattr(retrain, "load_replay_data", load_replay_data)
    monkeypatch.setenv("MNIST_DIR", str(tmp_path / "nothing"))
    give(repository, sevens(20), [7] * 20, visitors(20))

    code, _, err = command()

    assert code == 1
    assert "MNIST_DIR" in err
    with create_engine(sqlite_url).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM predictions WHERE feedback_processed")).scalar() == 0
        assert connection.execute(text("SELECT count(*) FROM models")).scalar() == 1  # the shipped one


def test_wrong_arguments_are_told(command, capsys):
    for arguments in (["--min-feedback", "-1"], ["--rollback", "x"], ["--list", "--dry-run"]):
        with pytest.raises(SystemExit) as stopped:
            retrain.parse(arguments)
        assert stopped.value.code == 2


@pytest.mark.parametrize(("cores", "chosen", "threads"), [(4, 0, 3), (1, 0, 1), (4, 2, 2)])
def test_it_gives_way_to_serving(cores, chosen, threads):
    program = (
        "import os, torch, retrain; "
        f"torch.set_num_threads({cores}); retrain.be_modest({chosen}); print(os.nice(0), torch.get_num_threads())"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout == f"{max(10, os.nice(0))} {threads}\n"


def test_progress_is_a_log_line_a_stage_where_nobody_watches(caplog):
    with caplog.at_level(logging.INFO):
        watcher = retrain.Lines()
        watcher.stage("learning")
        for step in range(1, 4):
            watcher.step(step, 3)

    assert [record.message for record in caplog.records] == ["learning", "learned in 3 steps"]


@pytest.fixture
def heeds_interruptions() -> Iterator[None]:
    """Where the tests run in a shell's background, SIGINT is ignored from the start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interruptions")
def test_interrupting_it_is_no_stack_trace(command, repository, monkeypatch):
    give(repository, sevens(20), [7] * 20, visitors(20))
    monkeypatch.setattr(retrain, "load_replay_data", lambda *folders: signal.raise_signal(signal.SIGINT))

    code, _, err = command()

    assert (code, err.strip().splitlines()[-1]) == (1, "Stopped; nothing was changed.")


def test_whatever_happens_a_machine_reads_one_object_of_the_same_shape(command, repository, monkeypatch, caplog):
    def fail(error: Exception):
        def load_replay_data(*folders):
            raise error

        return load_replay_data

    give(repository, sevens(40), [7] * 40, visitors(40))
    load_replay_data = retrain.load_replay_data
    for arguments, error, outcome in (
        (["--rollback", "99999999999999999999"], None, "error"),
        (["--rollback", "7"], None, "error"),
        ([], PermissionError(13, "Permission denied", "train-images-idx3-ubyte.gz"), "error"),
        ([], ZeroDivisionError("a secret"), "error"),
        ([], KeyboardInterrupt(), "error"),
        (["--list"], None, "list"),
        (["--dry-run"], None, "dry_run"),
        (["--min-feedback", "99"], None, "nothing_to_do"),
        ([], None, "promoted"),
        (["--rollback"], None, "rolled_back"),
    ):
        monkeypatch.setattr(retrain, "load_replay_data", fail(error) if error else load_replay_data)
        code, out, _ = command(*arguments, "--json")

        said = json.loads(out)
        assert (code, said["outcome"]) == (1 if outcome == "error" else 0, outcome)
        assert {"outcome", "version", "rows", "before", "after"} <= set(said)
        assert "secret" not in out
        if outcome == "error":
            assert said["error"]
            assert said["version"] is said["rows"] is said["before"] is said["after"] is None
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_database_without_a_driver_or_settings_out_of_reach_are_an_object_too(command, monkeypatch, somebody_else):
    monkeypatch.setenv("DATABASE_URL", "oracle://me:secret@host/name")
    code, out, _ = command("--json")
    assert (code, json.loads(out)["outcome"]) == (1, "error")
    assert "secret" not in out

    (somebody_else / ".env").touch(mode=0)
    monkeypatch.setattr("mnist.settings.ROOT", somebody_else)
    code, out, _ = command("--json")
    assert code == 1
    assert "can't be read by user" in json.loads(out)["error"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_what_can_not_be_written_does_not_change_what_was_done(sqlite_url, registry, as_json):
    registry.seed(b"shipped", {})
    registry.promote(b"tuned", {}, parent=1, replaces=1, marks=[])

    def on_a_full_disk(*arguments: str, log_too: bool = False) -> int:
        environment = {**os.environ, "DATABASE_URL": sqlite_url.render_as_string()}
        environment.pop("PYTHONUNBUFFERED", None)  # cron has it not, and what waits to be written is the difficulty
        command = [sys.executable, "retrain.py", *arguments, *as_json]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=full, stderr=full if log_too else subprocess.PIPE, text=True
            )
        if not log_too:
            assert "Traceback" not in done.stderr
            assert "No space left" in done.stderr
        return done.returncode

    assert on_a_full_disk("--list") == 1
    assert on_a_full_disk("--rollback") == 0
    assert registry.active_number() == 1
    assert on_a_full_disk("--rollback", "2", log_too=True) == 0
    assert registry.active_number() == 2


def test_a_terminal_that_knows_no_arrows_is_told_all_the_same(sqlite_url, registry):
    registry.seed(b"shipped", {})
    registry.reject(b"tuned", {"why": ["99.6 → 99.1 %"]}, parent=1, marks=[])
    environment = {**os.environ, "DATABASE_URL": sqlite_url.render_as_string(), "PYTHONIOENCODING": "latin-1"}

    done = subprocess.run(
        [sys.executable, "retrain.py", "--list"], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert (done.returncode, "99.6 ? 99.1 %" in done.stdout) == (0, True), done.stderr


def test_the_help_names_every_exit_code(capsys):
    with pytest.raises(SystemExit):
        retrain.parse(["--help"])

    said = " ".join(capsys.readouterr().out.split())
    for code in ("0 promoted", "1 error", "2 wrong arguments", "3 trained", "4 another"):
        assert code in said


def test_a_database_that_a_run_makes_is_nobody_elses_and_its_lock_stops_nobody(sqlite_url):
    done = subprocess.run(
        [sys.executable, "retrain.py", "--json"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": sqlite_url.render_as_string()},
        capture_output=True,
        text=True,
        umask=0o022,
    )

    assert json.loads(done.stdout)["outcome"] == "nothing_to_do", done.stderr
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path(str(sqlite_url.database)).parent.iterdir()}
    assert modes == {"mnist.db": 0o640, "mnist.db.retrain.lock": 0o644}
