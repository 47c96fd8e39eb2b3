"""What a person sees where the page comes through and its WebSocket does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, expect

from tests.support.visitor import patience


class StubbornProxy:
    """Passes everything on but WebSockets, as a proxy does that nobody told of them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.is_stubborn = True
        self.has_refused = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(65536)):
                    return
                head += piece
            if self.is_stubborn and b"upgrade: websocket" in head.lower():
                self.has_refused.set()
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            server.sendall(head)
            back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
            back.start()
            self._carry(client, server)
            back.join()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(shared_app) -> Iterator[StubbornProxy]:
    proxy = StubbornProxy(int(shared_app[0].rsplit(":", 1)[1]))
    yield proxy
    proxy.close()


def test_a_page_without_its_connection_says_so_until_it_has_one(browser: Browser, proxy):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(30_000 * patience())
    note = page.locator("#no-connection")
    page.clock.install()
    page.goto(proxy.address)
    assert proxy.has_refused.wait(60 * patience())

    page.clock.fast_forward(11_000)

    expect(note).to_be_in_viewport()
    expect(note).to_contain_text("No connection.")
    expect(note).to_contain_text("docs/proxies.md")
    assert page.evaluate("document.documentElement.scrollWidth") == 390

    proxy.is_stubborn = False
    page.reload()
    page.locator("canvas.upper-canvas").wait_for()
    page.clock.fast_forward(11_000)
    expect(note).to_have_count(0)
    page.close()
