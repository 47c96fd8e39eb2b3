"""Small answers leave at once, and many connections fit in."""

import socket
import subprocess
import sys
from pathlib import Path

from mnist.web.sockets import FULL, answer_without_delay

ROOT = Path(__file__).resolve().parent.parent.parent
FILL = """
import asyncio, resource, socket, sys, time
from mnist.web import sockets

resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
sockets.allow_many_connections()

async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    links = []
    try:
        while True:
            links.append(socket.create_connection(server.sockets[0].getsockname()))
    except OSError:
        await asyncio.sleep(1.5)  # asyncio tries again every second

asyncio.run(main())
"""


def option(link: socket.socket) -> int:
    return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_what_listens_answers_without_delay_and_so_do_its_connections():
    with socket.socket() as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert option(listener) == 0

        found = answer_without_delay()

        assert found >= 1
        assert option(listener) != 0
        assert option(other) == 0  # does not listen, so it is not ours to change
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert option(accepted) != 0


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be_and_never_lowered():
    program = """
import resource
from mnist.web.sockets import allow_many_connections
for limits in ((256, 2000), (2000, 2000)):
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    allow_many_connections()
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.splitlines() == ["2000 2000", "2000 2000"], done.stderr


def test_a_process_without_a_descriptor_left_says_so_once_and_does_not_fill_the_disk():
    done = subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, capture_output=True, text=True)

    assert done.stderr.count(FULL) == 1, done.stderr[:3000]
