"""How a process logs: one line a record, which no client can forge, colour or flood."""

import json
import logging
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mnist.web import logs

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 (INFO|WARNING|ERROR) [\w.]+: ")
FORGED = "a\n2026-11-28T12:00:00.000+00:00 INFO mnist: forged"


def record(message: object, *values: object, name: str = "mnist.x", error: BaseException | None = None):
    trace = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.WARNING, __file__, 1, message, values, trace)


def line(*values: object, **options) -> str:
    return logs.Lines().format(record(*values, **options))


def read(*values: object, **options) -> dict[str, str]:
    text = logs.Lines(as_json=True).format(record(*values, **options))
    assert "\n" not in text
    return json.loads(text)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_line_has_time_level_and_logger():
    assert HEAD.match(line("%s of %d", "one", 2))
    assert line("%s of %d", "one", 2).endswith(" WARNING mnist.x: one of 2")
    said = read("%s of %d", "one", 2)
    assert list(said) == ["time", "level", "logger", "message"]
    assert (said["level"], said["logger"], said["message"]) == ("WARNING", "mnist.x", "one of 2")


@pytest.mark.parametrize(
    "character",
    ["\n", "\r", "\t", "\0", "\b", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066", "\ud800"],
    ids=ascii,
)
def test_a_control_character_is_escaped_wherever_it_stands(character):
    for said in (line(f"a{character}b"), line("a%sb", character), line("ab", name=f"x{character}")):
        assert character not in said
        assert character.encode("unicode_escape").decode() in said
        assert said.encode()
    assert character not in read("a%sb", character)["message"]


def test_a_forged_line_and_a_colour_code_stay_within_the_line():
    said = line("No drawing %s", f"{FORGED}\x1b[31m")

    assert len(said.splitlines()) == 1
    assert said.endswith(r"No drawing a\n2026-11-28T12:00:00.000+00:00 INFO mnist: forged\x1b[31m")


@pytest.mark.parametrize("character", ["x", "\n", "é", "😀", '"'])
def test_four_megabytes_are_cut_at_500_characters(character):
    text = character * 2**22

    assert len(line("%s", text)) == 500
    assert line(text).endswith("…")
    for said in (logs.Lines(as_json=True).format(record(text)), logs.Lines(as_json=True).format(record("%s", text))):
        assert 480 < len(said) <= 500
        assert json.loads(said)["message"].endswith("…")


def test_what_just_fits_is_not_cut():
    room = 500 - len(line(""))

    assert line("x" * room).endswith("xx")
    assert line("x" * (room + 1)).endswith("x…")


class Unspeakable:
    def __str__(self) -> str:
        raise ZeroDivisionError("a mistake of ours")

    __repr__ = __str__


@pytest.mark.parametrize(
    "values", [("%d items", "two"), ("%s and %s", "one"), ("%s", Unspeakable()), (Unspeakable(),), ("%(name)s", 3)]
)
def test_values_that_can_not_be_shown_lose_themselves_and_nothing_else(values):
    assert re.search(r": .+ \(its values can't be shown: \w+\)$", line(*values))
    assert "can't be shown" in read(*values)["message"]


def test_what_is_logged_need_not_be_text():
    assert line(17).endswith(": 17")
    assert line(ValueError("a\nb")).endswith(r": a\nb")


def test_a_traceback_keeps_its_lines_none_of_which_looks_like_a_record():
    said = line("It failed", error=raised(ValueError(FORGED))).splitlines()

    assert said[0].endswith(": It failed")
    assert said[1] == "    Traceback (most recent call last):"
    assert re.fullmatch(r'      File ".+", line \d+, in raised', said[2])
    assert said[3] == "        raise error"
    assert said[-1].startswith(r"    ValueError: a\n2026-11-28")
    assert all(each.startswith("    ") for each in said[1:])


def test_json_has_the_traceback_in_the_same_line():
    said = read("It failed", error=raised(ValueError(FORGED)))

    trace = said["trace"].splitlines()
    assert (said["message"], trace[0]) == ("It failed", "Traceback (most recent call last):")
    assert trace[-1].startswith(r"ValueError: a\n2026-11-28")


def test_a_long_traceback_shows_where_it_began_and_how_it_ended():
    def deeper(more: int) -> None:
        wider(more - 1) if more else [][0]

    def wider(more: int) -> None:  # two in turn: Python leaves out only one that calls itself
        deeper(more - 1) if more else [][0]

    try:
        deeper(400)
    except IndexError as error:
        said = line("It failed", error=error).splitlines()

    assert len(said) < 105
    assert "deeper(400)" in "".join(said[:6])
    assert said[-1] == "    IndexError: list index out of range"
    assert [each for each in said if re.fullmatch(r"    … [\d,]+ lines …", each)]


def test_a_flood_in_an_exception_is_cut_too():
    said = line("It failed", error=raised(ValueError("\n".join(["x" * 900] * 5000)))).splitlines()

    assert len(said) < 10
    assert max(map(len, said)) == 500


@pytest.fixture
def as_it_was() -> Iterator[None]:
    """Logging is the process's own; the next test finds it as this one did."""
    root = logging.getLogger()
    requests = logging.getLogger(logs.REQUESTS)
    kept, level = root.handlers[:], root.level
    kept_of_requests, propagate = requests.handlers[:], requests.propagate
    yield
    root.handlers[:], requests.handlers[:], requests.propagate = kept, kept_of_requests, propagate
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("as_it_was")
def test_a_library_with_a_handler_of_its_own_writes_once_and_as_all_others(capsys):
    library = logging.getLogger("a_library")
    library.addHandler(logging.StreamHandler())
    library.propagate = False

    logs.configure()
    logs.configure()  # twice
    library.warning("here\n%s", "forged")
    logging.getLogger("mnist.x").info("I am here")
    logging.getLogger("mnist.x").debug("and this is nobody's business")

    first, second = capsys.readouterr().err.splitlines()
    assert HEAD.match(first)
    assert first.endswith(r" WARNING a_library: here\nforged")
    assert second.endswith(" INFO mnist.x: I am here")


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The time that the log goes by; its timers do nothing by themselves."""
    timer = SimpleNamespace(start=lambda: None, cancel=lambda: None)
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(logs, "time", clock)
    monkeypatch.setattr(logs, "threading", SimpleNamespace(Timer=lambda seconds, call: timer))
    return clock


@pytest.mark.usefixtures("as_it_was")
def test_of_a_flood_of_the_same_kind_the_first_lines_are_written_and_how_many_more_there_were(capsys, clock):
    logs.configure()
    for number in range(832):
        logging.getLogger("mnist.x").warning("There is no fragment %s.", f"\x1b[31m{number}")
    logging.getLogger("mnist.x").warning("Something else")
    assert len(capsys.readouterr().err.splitlines()) == logs.MOST_ALIKE + 1

    clock.now = 61.0
    logging.getLogger("mnist.y").info("and on it goes")

    told, after = capsys.readouterr().err.splitlines()
    assert HEAD.match(told)
    assert told.endswith(" WARNING mnist.x: … repeated 812 times: There is no fragment %s.")
    assert after.endswith("and on it goes")


@pytest.mark.usefixtures("as_it_was")
def test_what_was_left_out_is_told_at_the_end_too(capsys):
    logs.configure()
    for _ in range(logs.MOST_ALIKE + 3):
        logging.getLogger("mnist.x").warning("again")
    capsys.readouterr()

    [ours] = [each for each in logging.getLogger().handlers if isinstance(each, logs.Console)]
    ours.close()

    assert capsys.readouterr().err.endswith(" WARNING mnist.x: … repeated 3 times: again\n")


@pytest.mark.usefixtures("as_it_was")
def test_what_comes_now_and_then_is_never_left_out(capsys, clock):
    logs.configure()
    for minute in range(3):
        clock.now = 60.0 * (minute + 1)
        for number in range(logs.MOST_ALIKE):
            logging.getLogger("mnist.x").warning("%d", number)

    assert len(capsys.readouterr().err.splitlines()) == 3 * logs.MOST_ALIKE


@pytest.mark.usefixtures("as_it_was")
def test_a_file_that_a_library_writes_stays_its_own(tmp_path):
    library = logging.getLogger("another_library")
    file = logging.FileHandler(tmp_path / "log")
    library.addHandler(file)

    logs.configure()

    assert library.handlers == [file]
    library.removeHandler(file)
    file.close()


@pytest.mark.usefixtures("as_it_was")
def test_a_warning_of_python_is_a_record_too(capsys):
    logs.configure()

    with warnings.catch_warnings():
        logging.captureWarnings(False)
        logging.captureWarnings(True)  # after pytest's own hook
        warnings.simplefilter("always")
        warnings.warn("soon\ngone", stacklevel=1)

    [said] = capsys.readouterr().err.splitlines()
    assert HEAD.match(said)
    assert r"soon\ngone" in said


@pytest.mark.parametrize("command", ["train.py", "retrain.py", "mnist.transfer", "mnist.upgrade"])
def test_the_commands_log_in_the_same_format(command):
    program = "import logging, runpy, sys; run = runpy.run_path if sys.argv[1].endswith('.py') else runpy.run_module\n"
    program += "try: run(sys.argv.pop(1), run_name='__main__')\n"
    program += "except SystemExit: logging.getLogger('mnist.x').info('here')"

    done = subprocess.run([sys.executable, "-c", program, command, "--help"], cwd=ROOT, capture_output=True, text=True)

    assert HEAD.match(done.stderr), done.stderr
    assert done.stderr.endswith(" INFO mnist.x: here\n")
