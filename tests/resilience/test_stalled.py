"""Connections that never end a request or never take an answer, at the real server and without a proxy before it."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from benchmarks.page_visitor import PageVisitor
from tests.resilience.test_processes import SEVEN, Application
from tests.support.pictures import seven

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE = 30  # seconds; the server's limit here is one


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    log = tmp_path_factory.mktemp("stalled") / "log"
    with Application.running(log, DATABASE_URL="sqlite://", API_KEY="", STALLED_SECONDS="1") as application:
        yield application


def connected(application: Application, *, room: int | None = None) -> socket.socket:
    link = socket.socket()
    link.settimeout(PATIENCE)
    if room:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    link.connect(("127.0.0.1", application.port))
    return link


def until_the_end(link: socket.socket) -> bytes:
    """All that still comes; raises TimeoutError where the server does not hang up."""
    data = b""
    with suppress(ConnectionError):
        while piece := link.recv(2**16):
            data += piece
    return data


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEALTH[:-2]], ids=["nothing", "half a line", "no end"])
def test_a_request_that_never_begins_is_ended(application, sent):
    with closing(connected(application)) as link:
        link.sendall(sent)

        assert until_the_end(link) == b""


def test_a_head_that_trickles_is_ended(application):
    with closing(connected(application)) as link:
        link.sendall(b"GET / HTTP/1.1\r\n")
        link.settimeout(0.1)
        for number in range(10 * PATIENCE):
            try:
                link.sendall(b"X-A: %d\r\n" % number)
                if link.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return

    pytest.fail("It goes on as long as its client likes.")


def test_a_second_request_that_never_ends_is_ended(application):
    with closing(connected(application)) as link:
        link.sendall(HEALTH)
        assert link.recv(2**16).startswith(b"HTTP/1.1 200")
        link.sendall(HEALTH[:-2])

        assert b"HTTP/1.1" not in until_the_end(link)


def test_a_body_that_comes_slowly_after_the_answer_is_ended(application):
    with closing(connected(application)) as link:
        link.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")
        assert link.recv(2**16).startswith(b"HTTP/1.1 405")

        until_the_end(link)


def test_an_answer_that_nobody_takes_is_ended(application):
    with closing(connected(application)) as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        page = until_the_end(link).decode()
    script = re.search(r'src="\./(static/js/index\.[\w-]+\.js)"', page)
    assert script is not None

    with closing(connected(application, room=4096)) as greedy:
        greedy.sendall(b"".join(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % script[1].encode() for _ in range(40)))
        for _ in range(3):  # by then that one has stalled long enough
            with closing(connected(application)) as other:
                until_the_end(other)
        taken = len(until_the_end(greedy))

    with closing(connected(application)) as link:
        link.sendall(b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % script[1].encode())
        assert taken < 40 * len(until_the_end(link))


def test_who_only_thinks_goes_on(application):
    """An open page that is silent, and an upload that takes its time, while stalled ones are ended around them."""
    picture = seven()
    with PageVisitor(application.port) as visitor, closing(connected(application)) as upload:
        visitor.open()
        head = b"POST /api/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
        upload.sendall(head % len(picture) + picture[:100])
        for _ in range(3):
            with closing(connected(application)) as stalled:
                assert until_the_end(stalled) == b""
        upload.sendall(picture[100:])

        assert upload.recv(2**16).startswith(b"HTTP/1.1 200")
        assert not visitor.draw(SEVEN).problems
