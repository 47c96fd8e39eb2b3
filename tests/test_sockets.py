"""Small answers leave at once."""

import socket

from mnist.sockets import answer_without_delay


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
