"""People who draw at once, and programs, for half a minute; `python -m benchmarks.load` is the long version."""

import time

import pytest
from sqlalchemy import URL

from benchmarks.load import Crowd, Memory, server_of, stored
from tests.resilience.test_processes import applications

PEOPLE, PROGRAMS, SECONDS = 8, 2, 25
MOST_GROWTH = 0.15  # of the resident memory in the second half; the long version measures it well


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_what_a_crowd_was_told_is_stored_and_nothing_else(request, tmp_path, database):
    url: URL = request.getfixturevalue(database)
    with applications(url, tmp_path, 1) as [application]:
        with (
            Memory(server_of(application.port)) as memory,
            Crowd(application.port, people=PEOPLE, programs=PROGRAMS, pause=(0.2, 0.8)) as crowd,
        ):
            time.sleep(SECONDS)
        log = application.log.read_text()

    assert crowd.errors == []
    assert crowd.drawn > PEOPLE
    assert crowd.asked > PROGRAMS
    assert len(crowd.histories) > 0
    rows = stored(url)
    assert rows == crowd.told
    assert len(rows) == crowd.drawn + crowd.asked
    assert memory.growth(after=SECONDS // 2, over=5) < MOST_GROWTH
    assert "Traceback" not in log
