"""Attacks on the memory and the doors of the real server: what one client's pages may hold, and whose a session is."""

import http.client
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import numpy as np
import psutil
import pytest
from sqlalchemy import URL
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.page_visitor import PageVisitor
from mnist.web import process
from tests.resilience.test_hostile import post
from tests.resilience.test_processes import ROOT, SEVEN, Application
from tests.support.server import free_port

PASSWORD = "open sesame"
SESSIONS = 12  # that one address may hold here


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("limits")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "config.toml").write_text("[server]\ndisconnectedSessionTTL = 2\n")
    url = URL.create("sqlite", database=str(folder / "mnist.db"))
    with Application.running(
        folder / "log",
        DATABASE_URL=url.render_as_string(),
        ADMIN_PASSWORD=PASSWORD,
        API_KEY="",
        SESSIONS_PER_ADDRESS="0",
        HOME=str(folder),  # what the settings of the project leave open
    ) as application:
        with PageVisitor(application.port) as visitor:
            visitor.open()
            visitor.draw(SEVEN)
        yield application


def memory(application: Application) -> float:
    """In MB."""
    return psutil.Process(application.process.pid).memory_info().rss / 2**20


def send_drawing(visitor: PageVisitor, json: str) -> None:
    visitor.open()
    canvas = next(each for each in visitor.widgets if "canvas" in each)
    visitor.open(widgets=[WidgetState(id=canvas, json_value=json)])


@pytest.mark.parametrize("count", [4_400_000, 500_000])
def test_a_drawing_of_millions_of_objects_is_not_taken(application, count):
    before = memory(application)
    for _ in range(3):
        with PageVisitor(application.port) as visitor, pytest.raises(ConnectionClosed):
            send_drawing(visitor, '{"drawing":{"raw":{"objects":[' + ",".join(["{}"] * count) + "]}}}")

    assert memory(application) - before < 60


def test_a_person_who_draws_for_minutes_is_answered(application):
    turns = np.linspace(0, 60 * np.pi, 6000)
    spiral = 150 + (turns / 2)[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    with PageVisitor(application.port) as visitor:
        visitor.open()

        assert not visitor.draw(spiral).problems


def test_memory_comes_back_after_the_largest_drawings_that_are_taken(application):
    before = memory(application)
    with ExitStack() as opened:
        for _ in range(8):
            visitor = opened.enter_context(PageVisitor(application.port))
            send_drawing(visitor, '{"drawing":{"raw":{"objects":[' + ",".join(['{"abcdef":1}'] * 74_000) + "]}}}")
        assert memory(application) - before > 80

    deadline = time.monotonic() + 2.5 * process.TIDY_SECONDS
    while memory(application) - before > 60:
        assert time.monotonic() < deadline, f"{memory(application) - before:.0f} MB are still held"
        time.sleep(1)


def upload(application: Application, session: str, size: int) -> int:
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=30)
    link.request("GET", "/_stcore/health")
    answer = link.getresponse()
    answer.read()
    token = (answer.getheader("Set-Cookie") or "").split("=", 1)[1].split(";")[0]
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + bytes(size) + b"\r\n--x--\r\n"
    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "X-Xsrftoken": token,
        "Cookie": f"_streamlit_xsrf={token}",
    }
    link.request("PUT", f"/_stcore/upload_file/{session}/{uuid.uuid4()}", body, headers)
    status = link.getresponse().status
    link.close()
    return status


def test_of_a_sessions_uploads_the_newest_two_are_kept(application):
    before = memory(application)
    with PageVisitor(application.port) as visitor:
        visitor.open()
        statuses = {upload(application, visitor.session, 9_900_000) for _ in range(20)}
        held = memory(application) - before

    assert statuses == {204}
    assert held < 60


def test_an_address_with_too_many_sessions_gets_no_more(tmp_path):
    application = Application.with_settings(
        tmp_path / "log", DATABASE_URL="sqlite://", SESSIONS_PER_ADDRESS=str(SESSIONS)
    )
    opened = []
    try:
        application.wait_until_alive()
        opened += [PageVisitor(application.port) for _ in range(SESSIONS)]
        with pytest.raises(InvalidStatus):
            PageVisitor(application.port)
    finally:
        for each in opened:
            each.close()
        application.process.kill()
        application.process.wait()


def sign_in(visitor: PageVisitor) -> str:
    visitor.open("administration")
    field = next(each.text_input.id for each in visitor._elements if each.HasField("text_input"))
    visitor._states[field] = WidgetState(id=field, string_value=PASSWORD)
    visitor.press("Sign in")
    return visitor.session


def test_whoever_knows_the_administrators_session_is_not_the_administrator(application):
    with PageVisitor(application.port) as administrator:
        session = sign_in(administrator)
        assert "api/export?ticket=" in administrator.open("administration").text
        for cookie in ("", "visitor=" + "0" * 32):
            with PageVisitor(application.port, cookie=cookie, session=session) as thief:
                assert "api/export?ticket=" not in thief.open("administration").text
                assert thief.session != session
    with PageVisitor(application.port, cookie="", session=session) as thief:  # and after they left
        assert "api/export?ticket=" not in thief.open("administration").text


def test_the_administrator_goes_on_after_a_pause(application):
    with PageVisitor(application.port) as administrator:
        session, cookie = sign_in(administrator), administrator.cookie

    with PageVisitor(application.port, cookie=cookie, session=session) as again:
        assert "api/export?ticket=" in again.open("administration").text
        assert again.session == session


@pytest.mark.parametrize("how", [["--workers", "2"], ["--workers=2"], []])
def test_more_than_one_worker_is_refused(tmp_path, how):
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(free_port()), *how]
    environment = {**os.environ, "DATABASE_URL": "sqlite://", **({} if how else {"WEB_CONCURRENCY": "2"})}

    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert "2 workers were asked for" in ended.stderr


def test_the_files_of_the_database_are_nobody_elses(tmp_path):
    url = URL.create("sqlite", database=str(tmp_path / "data" / "mnist.db"))
    with Application.running(tmp_path / "log", DATABASE_URL=url.render_as_string()):
        pass

    assert {path.stat().st_mode & 0o007 for path in (tmp_path / "data").iterdir()} == {0}


def test_a_page_of_another_site_posts_nothing_here(application):
    headers = {"Content-Type": "image/png", "Origin": "https://evil.example"}

    assert post(application, "/api/predict", b"x", headers)[0] == 403
    assert post(application, "/api/predict", b"x", {"Content-Type": "image/png"})[0] == 400


def test_a_visitor_cannot_name_another_one_to_streamlit(application):
    """The header by which sessions are told apart is written anew, whatever a client sends."""
    from websockets.sync.client import connect

    with PageVisitor(application.port) as owner:
        owner.open()
        link = connect(
            f"ws://127.0.0.1:{application.port}/_stcore/stream",
            subprotocols=["streamlit", "-", owner.session],  # type: ignore[list-item]
            additional_headers={"X-Visitor": "anything"},
        )
        with link, suppress(TimeoutError):
            link.recv(timeout=0.2)
        owner.open()  # its own connection was not taken away


def test_the_settings_of_streamlit_and_the_limits_agree():
    text = (ROOT / ".streamlit" / "config.toml").read_text()

    assert "maxWidgetStateSize = 2 " in text
    assert """trustedUserHeaders = '{"X-Visitor": "visitor"}'""" in text
