"""The API as a whole: its document, its documentation without a network, its errors, its log."""

import json
import logging
import re
from dataclasses import replace

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mnist.api import make_routes
from mnist.api.application import make_api
from mnist.metrics import Metrics
from mnist.model.weights_file import UnusableWeights
from mnist.settings import Settings
from mnist.web.sign_in import SignIn
from tests.support.pictures import as_base64, blank, seven

PNG = {"Content-Type": "image/png"}
OPEN = Settings.from_environment({"RATE_LIMIT": "0"})


def broken(error: Exception, **changes: object) -> TestClient:
    def recogniser():
        raise error

    routes = make_routes(recogniser, replace(OPEN, **changes), Metrics(), recogniser, lambda: SignIn(None))
    return TestClient(Starlette(routes=routes), raise_server_exceptions=False)


def test_the_documentation_asks_no_other_server(client):
    page = client.get("/api/docs")

    assert page.status_code == 200
    assert not re.findall(r"https?://", page.text)
    assert '"validatorUrl": null' in page.text
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(asset).status_code == 200


def test_the_document_names_every_call_its_bodies_and_its_errors(client):
    document = client.get("/api/openapi.json").json()

    calls = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert calls == {
        ("POST", "/predict"),
        ("POST", "/predict/batch"),
        ("POST", "/predictions/{drawing_id}/feedback"),
        ("POST", "/feedback"),
        ("GET", "/model"),
        ("GET", "/export"),
    }
    export = document["paths"]["/export"]["get"]["responses"]
    for status, word in (("401", "password"), ("404", "ADMIN_PASSWORD"), ("429", "password")):
        assert word in export[status]["description"]
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {
        "image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "image/bmp",
        "multipart/form-data", "application/json"
    }  # fmt: skip
    assert set(predict["responses"]) == {"200", "400", "401", "413", "415", "422", "429", "503"}
    assert [server["url"] for server in document["servers"]] == ["/api"]


def test_every_reference_in_the_document_leads_somewhere(client):
    text = client.get("/api/openapi.json").text
    known = json.loads(text)["components"]["schemas"]

    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(known)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/api/nothing", 404),
    ("GET", "/api/predict", 405),
    ("DELETE", "/api/model", 405),
])  # fmt: skip
def test_a_wrong_address_or_method_is_told_in_json(client, method, path, status):
    answer = client.request(method, path)

    assert answer.status_code == status
    assert "/api/docs" in answer.json()["error"]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "/secret/digits.pt"), UnusableWeights("The weights are damaged.")]
)
def test_without_a_network_the_api_is_503_and_the_process_alive_but_not_ready(error):
    with broken(error) as client:
        predicted = client.post("/api/predict", content=seven(), headers=PNG)
        model, ready, alive = client.get("/api/model"), client.get("/readyz"), client.get("/healthz")

    assert [answer.status_code for answer in (predicted, model, ready, alive)] == [503, 503, 503, 200]
    assert predicted.json()["error"]
    assert predicted.headers["retry-after"] == "5"
    assert "secret" not in predicted.text + ready.text
    assert ("no model file" in ready.text) == isinstance(error, FileNotFoundError)


def test_a_mistake_of_ours_is_told_without_its_trace(caplog):
    with broken(ZeroDivisionError("a password")) as client:
        answer = client.post("/api/predict", content=seven(), headers=PNG)

    assert answer.status_code == 500
    assert set(answer.json()) == {"error"}
    assert "password" not in answer.text
    assert "Traceback" not in answer.text


@pytest.fixture
def lines(serve):
    """Clients of an API that writes its requests down, and what it wrote."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(record.getMessage())

    log = logging.getLogger("mnist.requests")
    kept = log.handlers[:]
    log.handlers[:] = [Keep()]
    yield serve, written
    log.handlers[:] = kept
    log.setLevel(logging.CRITICAL)


def test_a_request_is_one_json_line_without_personal_data(lines):
    serve, written = lines
    client = serve(request_log=True, api_key="k3y")
    headers = {**PNG, "X-API-Key": "k3y", "X-Session-Id": "alice"}

    said = client.post("/api/predict", content=seven(), headers=headers).json()
    client.post("/api/predict", content=b"no picture", headers=headers)

    first, second = map(json.loads, written)
    assert (first["id"], first["digit"], first["status"]) == (said["id"], said["digit"], 200)
    assert first["route"] == "/api/predict"
    assert first["ms"] > 0
    assert second["status"] == 400
    assert not [word for word in ("alice", "k3y", "192.0.2.7", "testclient") if word in "".join(written)]


def test_without_being_asked_nothing_is_written(lines):
    serve, written = lines

    serve().post("/api/predict", content=seven(), headers=PNG)

    assert written == []


pictures = st.sampled_from([seven(), blank(), seven(format="JPEG"), b""]) | st.binary(max_size=100)
for kind in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(kind, pictures)
schemathesis.openapi.format("byte", pictures.map(as_base64))
schemathesis.openapi.format("binary", pictures.map(lambda data: data.decode("latin-1")))


@pytest.fixture(scope="module")
def documented(classifier, tmp_path_factory):
    from sqlalchemy import URL

    from mnist.recognition.recogniser import Recogniser
    from mnist.store.drawings import Repository
    from mnist.store.engine import connect

    engine = connect(URL.create("sqlite", database=str(tmp_path_factory.mktemp("schema") / "mnist.db")))
    recogniser = Recogniser(classifier, Repository(engine), max_bytes=2**20, max_pixels=10**6)
    api = make_api(lambda: recogniser, replace(OPEN, max_upload_bytes=2**20), Metrics(), None, lambda: SignIn(None))
    yield schemathesis.openapi.from_asgi("/openapi.json", api)
    engine.dispose()


CALLS = ["/predict", "/predict/batch", "/feedback", "/predictions/{drawing_id}/feedback", "/model"]


@pytest.mark.parametrize("path", CALLS)
def test_a_call_does_what_the_document_says(documented, path):
    """Schemathesis makes the requests: no 500, no status, type or shape that the document does not name."""
    operation = documented[path]["GET" if path == "/model" else "POST"]
    statuses = []

    @settings(max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def call(case):
        answer = case.call()
        statuses.append(answer.status_code)
        case.validate_response(
            answer,
            checks=[
                schemathesis.checks.not_a_server_error,
                schemathesis.checks.status_code_conformance,
                schemathesis.checks.content_type_conformance,
                schemathesis.checks.response_schema_conformance,
            ],
        )

    call()
    assert len(statuses) > 1 or path == "/model"
    assert path == "/predictions/{drawing_id}/feedback" or min(statuses) < 300  # some of them were right


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(images=st.lists(pictures.map(as_base64) | st.text(max_size=20), max_size=4))
def test_batches_of_anything_are_answered_in_order_or_refused(client, images):
    answer = client.post(
        "/api/predict/batch", content=json.dumps({"images": images}), headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in (200, 400, 422)
    if answer.status_code == 200:
        assert len(answer.json()["predictions"]) == len(images)
