"""A retraining that the page starts and watches."""

import sys
import time

from mnist.retraining.background import BackgroundRetraining, RetrainingProgress


def finished(retraining: BackgroundRetraining) -> RetrainingProgress:
    deadline = time.monotonic() + 30
    while (progress := retraining.progress) is None or progress.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return progress


def saying(program: str) -> BackgroundRetraining:
    return BackgroundRetraining([sys.executable, "-c", program])


def test_progress_and_result_are_told():
    retraining = saying(
        "import sys, json\n"
        "print(json.dumps({'stage': 'learning'}), file=sys.stderr)\n"
        "print('a line of the log', file=sys.stderr)\n"
        "print(json.dumps({'done': 3, 'steps': 4}), file=sys.stderr)\n"
        "print(json.dumps({'outcome': 'promoted', 'summary': 'v2: promoted.'}))\n"
    )
    assert retraining.progress is None

    retraining.start()

    assert finished(retraining) == RetrainingProgress("learning", 0.75, False, "v2: promoted.", False)


def test_a_failure_is_told_with_its_reason():
    retraining = saying('print(\'{"outcome": "already_running", "error": "Another retraining is at work."}\')')
    retraining.start()

    assert finished(retraining) == RetrainingProgress(
        is_running=False, result="Another retraining is at work.", failed=True
    )


def test_a_crash_is_told():
    retraining = saying("raise SystemExit(9)")
    retraining.start()

    assert "code 9" in finished(retraining).result


def test_a_command_that_is_not_there_is_told():
    retraining = BackgroundRetraining(["/nowhere/at/all"])
    retraining.start()

    assert finished(retraining).failed


def test_a_second_press_starts_nothing_while_the_first_runs(tmp_path):
    mark = tmp_path / "runs"
    program = f"import time; open({str(mark)!r}, 'a').write('x'); time.sleep(1); print('{{\"outcome\": \"x\"}}')"
    retraining = saying(program)

    retraining.start()
    retraining.start()
    finished(retraining)
    assert mark.read_text() == "x"

    retraining.start()
    finished(retraining)
    assert mark.read_text() == "xx"
