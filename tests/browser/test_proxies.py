"""The real application behind a real nginx and a real Caddy with the files of deploy/, as docs/proxies.md says."""

from __future__ import annotations

import io
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import URL, create_engine, text

from tests.container.pictures import drawn
from tests.support.closed_addresses import CLOSED
from tests.support.server import ROOT, free_port, running_app
from tests.support.strokes import DIGITS

INSTALL = "{0} is not installed; run: apt-get install -y --no-install-recommends nginx-light caddy"
CERTIFICATE = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]


@dataclass
class Proxy:
    """address: of the proxy; database: of the application behind it."""

    address: str
    database: URL

    def request(self, method: str, path: str, client: str = "127.0.0.1", **options: object) -> httpx.Response:
        """client: the address that the request comes from, within 127.0.0.0/8."""
        transport = httpx.HTTPTransport(verify=False, local_address=client)
        with httpx.Client(transport=transport, timeout=60) as session:
            return session.request(method, self.address + path, **options)  # type: ignore[arg-type]

    def raw_status(self, path: str) -> int:
        """Status of a GET whose path nobody tidies up."""
        parts = urlsplit(self.address)
        line = socket.create_connection((parts.hostname, parts.port))
        if parts.scheme == "https":
            line = ssl._create_unverified_context().wrap_socket(line, server_hostname="localhost")
        with line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return int(line.recv(65536).split()[1])


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if found is None:
        pytest.fail(INSTALL.format(name)) if os.environ.get("CI") else pytest.skip(INSTALL.format(name))
    return found


def nginx(folder: Path, app_port: int, port: int) -> tuple[list[str], str]:
    """Command and address: deploy/nginx.conf with a certificate, ports and a host name of the test."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", *CERTIFICATE, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    site = (ROOT / "deploy" / "nginx.conf").read_text()
    for ours, of_the_test in {
        "127.0.0.1:8501": f"127.0.0.1:{app_port}",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "    listen [::]:80;\n": "",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/letsencrypt/live/digits.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/digits.example.org/privkey.pem": str(key),
        "digits.example.org": "localhost",
    }.items():
        assert ours in site
        site = site.replace(ours, of_the_test)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
    )
    return [
        program("nginx"),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        f"{folder}/error.log",
    ], f"https://localhost:{port}"


def caddy(folder: Path, app_port: int, port: int) -> tuple[list[str], str]:
    """Command and address: deploy/Caddyfile without Docker, and without a certificate."""
    site = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "port 8501" in site
    site = site.replace("port 8501", f"port {app_port}").replace("127.0.0.1:2020", f"127.0.0.1:{free_port()}")
    (folder / "Caddyfile").write_text(site)
    environment = [f"DOMAIN=http://localhost:{port}", "APP=127.0.0.1", f"HOME={folder}"]
    command = ["env", *environment, program("caddy"), "run", "--config", f"{folder}/Caddyfile"]
    return [*command, "--adapter", "caddyfile"], f"http://localhost:{port}"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, URL]]:
    """As deploy/digits.service starts it: only a proxy on this machine is believed."""
    folder = tmp_path_factory.mktemp("app")
    database, port = URL.create("sqlite", database=str(folder / "mnist.db")), free_port()
    # Without an address it also listens on IPv6, and a proxy that comes by IPv4 is ::ffff:127.0.0.1.
    settings = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    with running_app(database, folder / "log", port, **settings):
        yield port, database


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, app: tuple[int, URL], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    command, address = request.param(folder, app[0], port)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                ended = process.poll() is not None or time.monotonic() > deadline
                assert not ended, (folder / "log").read_text()
                time.sleep(0.2)
        yield Proxy(address, app[1])
    finally:
        process.terminate()
        process.wait(20)


def test_the_page_is_drawn_on(proxy, visit):
    visitor = visit(proxy.address, ignore_https_errors=True)
    visitor.draw(DIGITS[7][0])
    visitor.settle()
    expect(visitor.answer).to_have_text("7")


def test_a_photo_of_8_mb_passes(proxy):
    noise = np.random.default_rng(0).integers(0, 256, (1700, 1700, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    assert file.tell() > 8 * 2**20

    answer = proxy.request("POST", "/api/predict", content=file.getvalue(), headers={"Content-Type": "image/png"})

    assert answer.status_code == 200, answer.text[:300]


def test_browsers_get_the_security_headers(proxy):
    headers = proxy.request("GET", "/").headers

    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_scripts_are_compressed(proxy):
    page = proxy.request("GET", "/").text
    script = page.split('src="./static/js/')[1].split('"')[0]

    answer = proxy.request("GET", f"/static/js/{script}", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", CLOSED)
def test_what_is_nobodys_business_is_closed(proxy, path):
    assert proxy.raw_status(path) == 404


def test_what_everybody_needs_is_open(proxy):
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/api/docs",
        "/api/openapi.json",
        "/_stcore/health",
        "/_stcore/host-config",
    ):
        assert proxy.request("GET", path).status_code == 200, path


def test_a_visitor_has_its_own_address_whatever_it_claims(proxy):
    """Without an API key a drawing is kept under its client's address."""
    lie = {"Content-Type": "image/png", "X-Forwarded-For": "203.0.113.9"}

    answer = proxy.request("POST", "/api/predict", "127.0.0.7", content=drawn(7, 0), headers=lie).json()

    query = text("SELECT session_id FROM predictions WHERE replace(id, '-', '') = :id")
    engine = create_engine(proxy.database)
    with engine.connect() as connection:
        assert connection.execute(query, {"id": answer["id"].replace("-", "")}).scalar() == "127.0.0.7"
    engine.dispose()
