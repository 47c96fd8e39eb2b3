"""Who gets in at the real server, by its pages' own ways: WebSocket, uploads, headers, and what is left lying about."""

import http.client
import re
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.page_visitor import PageVisitor
from mnist.web.security_headers import HEADERS
from tests.resilience.test_hostile import application as application
from tests.resilience.test_hostile import lives as lives
from tests.resilience.test_hostile import post
from tests.resilience.test_processes import Application

ROOT = Path(__file__).resolve().parent.parent.parent
FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
PAGES = ("", "history", "model", "insight", "administration")


def shows_no_trace(text: str) -> None:
    assert "Traceback" not in text
    assert "site-packages" not in text
    assert 'File \\"/' not in text


def test_the_page_runs_over_this_connection(application):
    with PageVisitor(application.port) as visitor:
        assert "Draw a digit" in visitor.open().text


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "file://"])
def test_a_page_of_another_site_gets_no_connection(application, origin):
    with pytest.raises(InvalidStatus) as refused, PageVisitor(application.port, origin=origin):
        pytest.fail("it was let in")

    assert refused.value.response.status_code == 403


def get(application: Application, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=20)
    link.request(method, path, headers=headers)
    answer = link.getresponse()
    answer.body = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    link.close()
    return answer


def test_an_upload_without_its_token_or_session_is_refused(application):
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    path = f"/_stcore/upload_file/{uuid.uuid4()}/{uuid.uuid4()}"
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=20)
    link.request("PUT", path, form, headers)

    assert link.getresponse().status in (400, 403)
    link.close()


def test_a_large_upload_is_refused_before_it_is_read(application):
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=20)
    link.putrequest("PUT", f"/_stcore/upload_file/{uuid.uuid4()}/{uuid.uuid4()}")
    link.putheader("Content-Length", str(2**33))
    link.endheaders()

    assert link.getresponse().status in (400, 403, 413)
    link.close()


@pytest.mark.parametrize("path", ["/", "/history", "/api/docs", "/api/model", "/healthz", "/_stcore/health"])
def test_every_answer_carries_the_security_headers(application, path):
    answer = get(application, path)

    assert {name: answer.getheader(name) for name in HEADERS} == HEADERS


def test_the_proxy_adds_hsts_to_the_applications_headers_and_closes_what_is_internal():
    caddy = (ROOT / "deploy" / "Caddyfile").read_text()

    assert re.search(r"\tStrict-Transport-Security \"max-age=\d{8,}\"\n", caddy)
    for name in HEADERS:
        assert f"\t{name} " not in caddy, f"{name} stands in mnist/web/security_headers.py, and only there"
    assert "/_stcore/*" in caddy
    assert "/metrics" in caddy


@pytest.mark.parametrize("path", ["/_stcore/agent/interact", "/_stcore/agent/mcp", "/_stcore/agent/openapi.json"])
def test_streamlits_interface_for_agents_is_off(application, path):
    assert get(application, path, "POST").status >= 400


@pytest.mark.parametrize(
    "path",
    ["/.env", "/../.env", "/%2e%2e/.env", "/static/../../app.py", "/media/../app.py", "/component/x/../../app.py",
     "/data/mnist.db", "/component/streamlit_drawable_canvas/..%2f..%2f..%2fapp.py"],
)  # fmt: skip
def test_no_file_of_ours_is_served(application, path):
    answer = get(application, path)

    assert "Composition root" not in answer.body
    assert "DB_PASSWORD" not in answer.body
    assert "SQLite format" not in answer.body


@pytest.mark.parametrize("name", ["debug_shutdown_runtime", "debug_disconnect_websocket", "clear_cache", "stop_script"])
def test_what_streamlits_developers_may_do_a_visitor_may_not(application, name):
    with PageVisitor(application.port) as visitor, PageVisitor(application.port) as other:
        message = BackMsg()
        setattr(message, name, True)
        visitor.send(message.SerializeToString())

        assert "Draw a digit" in other.open().text


@FEW
@given(data=st.binary(max_size=300))
def test_any_bytes_on_the_page_s_connection_harm_nobody(application, data):
    with PageVisitor(application.port) as visitor, suppress(ConnectionClosed, TimeoutError):
        visitor.send(data)
        visitor.receive(seconds=0.05)


ODD = (
    "drawing=" + "a" * 5000,
    "drawing=%00",
    "drawing=" + quote("'; DROP TABLE predictions; --"),
    "drawing=%ff%fe",
    "drawing=" + quote("<script>alert(1)</script>"),
    "&".join(f"a{number}=1" for number in range(500)),
    "drawing=&drawing=&=",
    "drawing=" + "0" * 32,
)


def test_odd_addresses_are_answered_without_a_trace(application):
    with PageVisitor(application.port) as visitor:
        for query in ODD:
            said = visitor.open("history", query).text

            shows_no_trace(said)
            assert "<script>alert" not in said


widget_values = st.one_of(
    st.tuples(st.just("string_value"), st.text(max_size=50)),
    st.tuples(st.just("int_value"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("double_value"), st.floats()),
    st.tuples(st.just("bool_value"), st.booleans()),
    st.tuples(st.just("trigger_value"), st.booleans()),
    st.tuples(
        st.just("json_value"), st.sampled_from(["{", "NaN", "[" * 5000, '{"objects": 7}', '{"objects": [null]}'])
    ),
    st.tuples(st.just("bytes_value"), st.binary(max_size=50)),
)


@FEW
@given(values=st.lists(widget_values, min_size=1, max_size=5), where=st.sampled_from(PAGES), seed=st.integers(0, 30))
def test_widget_states_of_any_kind_show_no_trace(application, values, where, seed):
    with PageVisitor(application.port) as visitor:
        ids = sorted(set(re.findall(r'id: "(\$\$ID[^"]+)"', visitor.open(where).text)))
        assert ids or where in ("administration", "insight", "model", "history")
        widgets = []
        for number, (kind, value) in enumerate(values):
            widget = WidgetState(id=ids[(seed + number) % len(ids)] if ids else "nothing")
            setattr(widget, kind, value)
            widgets.append(widget)

        shows_no_trace(visitor.open(where, widgets=widgets).text)


def test_no_secret_is_left_in_logs_or_errors(tmp_path):
    secrets = {"API_KEY": "key-that-nobody-sees", "ADMIN_PASSWORD": "word-that-nobody-sees"}
    url = "postgresql://someone:db-word-nobody-sees@127.0.0.1:9/none"
    application = Application.with_settings(tmp_path / "log", DATABASE_URL=url, **secrets)
    try:
        application.wait_until_alive()
        said = [get(application, path).body for path in ("/readyz", "/metrics", "/api/model", "/healthz")]
        said.append(post(application, "/api/predict", b"x", {"Authorization": "Bearer wrong-key"})[1])
        with PageVisitor(application.port) as visitor:
            said += [visitor.open(name).text for name in ("", "administration")]
    finally:
        application.process.kill()
        application.process.wait()

    everything = "\n".join([*said, application.log.read_text()])
    assert "nobody-sees" not in everything.replace("-that-", "-")
    assert "that-nobody" not in everything
    assert "wrong-key" not in application.log.read_text()


def test_sql_is_only_ever_made_of_bound_parameters():
    """Nothing that a client sends may become SQL: text() takes constants, never an f-string, % or +."""
    # Names and numbers of their own; a PRAGMA takes no parameters.
    allowed = {"mnist/upgrade.py", "mnist/store/locks.py", "mnist/store/migrations/versions/r0003_sure_numbers.py"}
    for path in sorted((ROOT / "mnist").rglob("*.py")):
        if str(path.relative_to(ROOT)) not in allowed:
            source = path.read_text()
            assert not re.search(r"\b(?:sql_)?text\(\s*f[\"']", source), path
            assert not re.search(r"(?:execute|exec_driver_sql|scalar|scalars)\(\s*f[\"']", source), path
