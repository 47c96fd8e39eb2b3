"""However large the stored pictures are, pages stay small and so does the memory that they take."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import psutil
import pytest
from sqlalchemy import URL, text
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.page_visitor import PageVisitor, Run
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.vision.image_files import encode_png
from mnist.web.visitor_cookie import session_of
from tests.store.test_drawings import NOON, drawing
from tests.support.server import running_app

PHOTOS = 26  # more than a page of the history shows
MOST_BYTES = 400_000  # of one message to the page
TABS = 6
MOST_MEMORY = 150 * 2**20  # bytes that TABS pages may take together; the pictures of each page have 75 MB
PASSWORD = "large"


@dataclass(frozen=True)
class Server:
    port: int
    url: URL
    process: psutil.Process


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("large")
    url = URL.create("sqlite", database=str(folder / "mnist.db"))
    with running_app(url, folder / "log", ADMIN_PASSWORD=PASSWORD) as address:
        port = address.rpartition(":")[2]
        [process] = [each for each in psutil.Process().children() if port in each.cmdline()]
        yield Server(int(port), url, process)


def fill(url: URL, visitor: PageVisitor) -> uuid.UUID:
    """Store photos that no format makes small, 3 MB each, labelled and disputed; returns the id of one."""
    noise = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    session = session_of(dict([visitor.cookie.split("=")]))
    mine = drawing(session_id=session, source="camera", true_label=7, labelled_at=NOON, feedback_processed=True)
    # Every second one has few pixels, and still more bytes than a thumbnail may have.
    pictures = [encode_png(noise), encode_png(noise[:208, :208])]
    photos = [
        replace(mine, id=uuid.uuid4(), image=pictures[number % 2], created_at=NOON + timedelta(hours=number))
        for number in range(PHOTOS)
    ]
    engine = connect(url)
    Repository(engine).add_all(photos)
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET set_aside = 'disputed'"))
    engine.dispose()
    return photos[0].id


def largest(run: Run) -> int:
    """Bytes of the run's largest message."""
    return max(message.ByteSize() for message in run.messages)


def pictures_on(visitor: PageVisitor) -> int:
    return visitor.texts.count('src="data:image/')  # WebP, or the small PNG as it was stored


def test_no_message_is_large_whatever_is_stored(server):
    with PageVisitor(server.port) as visitor:
        visitor.open()
        one = fill(server.url, visitor)
        sizes = {}
        for name, query, count in (
            ("", "", 12),
            ("history", "", 24),
            ("history", f"drawing={one}", 1),
            ("insight", "", 12),
            ("model", "", 0),
        ):
            sizes[name, query] = largest(visitor.open(name, query))
            assert pictures_on(visitor) == count
        asked = [each.delta.new_element.text_input.id for each in visitor.open("administration").messages]
        [field] = filter(None, asked)
        visitor.open("administration", widgets=[WidgetState(id=field, string_value=PASSWORD)])
        visitor.press("Sign in")
        for name, count in (("administration", 1), ("history", 24), ("", 12), ("insight", 12)):
            sizes[name, "signed in"] = largest(visitor.open(name))
            assert pictures_on(visitor) == count

    assert {page: size for page, size in sizes.items() if size > MOST_BYTES} == {}


def test_many_tabs_of_large_photos_take_little_memory(server):
    with PageVisitor(server.port) as first:
        first.open()
        fill(server.url, first)  # photos of their own, of which there is no thumbnail yet
        before, most, done = server.process.memory_info().rss, [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                most.append(server.process.memory_info().rss - before)

        def open_history(_: int) -> int:
            with PageVisitor(server.port, cookie=first.cookie) as visitor:
                visitor.open("history")
                return pictures_on(visitor)

        with ThreadPoolExecutor(TABS + 1) as pool:
            watching = pool.submit(watch)
            shown = list(pool.map(open_history, range(TABS)))
            done.set()
            watching.result()

    assert shown == [24] * TABS
    assert max(most) < MOST_MEMORY
