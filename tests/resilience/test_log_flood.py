"""What a client can do to the log of the real server, over the page's own WebSocket and by headers."""

import re

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from benchmarks.page_visitor import PageVisitor
from mnist.web.logs import MOST, MOST_ALIKE
from tests.resilience.conftest import wait_until
from tests.resilience.test_hostile import post
from tests.resilience.test_processes import Application

FORGED = "2026-11-28T12:00:00.000+00:00 INFO mnist: forged"
EVIL = f"x\n{FORGED}\r\n\x1b[31m{FORGED}\u2028{FORGED}\x9b2J"
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ [\w.]+: |    ")


def ask(visitor: PageVisitor, **fields: str) -> None:
    message = BackMsg()
    for name, value in fields.items():
        setattr(message.rerun_script, name, value)
    message.rerun_script.widget_states.SetInParent()
    visitor.send(message.SerializeToString())


def test_no_client_forges_or_floods_a_line(tmp_path):
    application = Application.with_settings(tmp_path / "log", DATABASE_URL="sqlite://", API_KEY="", REQUEST_LOG="off")
    try:
        application.wait_until_alive()
        with PageVisitor(application.port) as visitor:
            visitor.open()
            for number in range(5 * MOST_ALIKE):
                ask(visitor, fragment_id=f"{number}{EVIL}")
            ask(visitor, fragment_id="y" * 1_900_000)
            ask(visitor, page_name=EVIL, query_string=f"drawing={EVIL}", page_script_hash=EVIL)
            assert "Draw a digit" in visitor.open().text
        for text in ("a" * 40_000, EVIL):  # no messages of Streamlit's at all; it hangs up
            with PageVisitor(application.port) as visitor:
                visitor.send(text.encode())
                with pytest.raises(ConnectionClosed):
                    list(iter(visitor.receive, None))
        headers = {"Content-Type": "image/\x85png", "Cookie": "visitor=\x9b[31m", "X-Session-Id": "\x9b2J"}
        post(application, "/api/predict", b"x", headers)
        wait_until(lambda: "fragment" in application.log.read_text())
    finally:
        application.process.terminate()
        application.process.wait()

    said = application.log.read_text()
    lines = said.split("\n")
    assert not re.search("[\r\x1b\x9b\u2028]", said)
    assert [each for each in lines[:-1] if not LINE.match(each)] == []
    assert max(map(len, lines)) <= MOST
    assert sum("does not exist anymore" in each for each in lines) == MOST_ALIKE + 1  # and how many more
