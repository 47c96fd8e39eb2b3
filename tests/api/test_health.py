"""What a keeper asks of a running process, and what it has counted."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mnist.drawing import StorageUnavailable
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.support.pictures import as_base64, blank, seven

PNG = {"Content-Type": "image/png"}


def sample(client, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for each in family.samples:
            if each.name == name and labels.items() <= each.labels.items():
                return each.value
    return None


def test_ready_means_a_network_and_a_database_that_answers(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready", "model_version": 3}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_without_a_database_the_process_is_alive_but_not_ready(serve, tmp_path, kind):
    (tmp_path / "file").write_text("where a folder should be")
    away = {
        "sqlite": URL.create("sqlite", database=str(tmp_path / "file" / "mnist.db")),
        "postgresql": URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist"),
    }[kind]
    client = serve(Repository(connect(away)))

    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert "database" in ready.json()["error"]
    assert "secret" not in ready.text
    assert client.get("/healthz").status_code == 200


def test_ready_again_when_the_database_is_back(serve, tmp_path, monkeypatch):
    monkeypatch.setattr("mnist.api.health.REMEMBERED_SECONDS", 0)
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    client = serve(Repository(connect(URL.create("sqlite", database=str(blocked / "mnist.db")))))
    assert client.get("/readyz").status_code == 503

    blocked.unlink()

    assert client.get("/readyz").status_code == 200


def test_a_flood_of_questions_about_readiness_leaves_the_page_its_threads(serve, kept, monkeypatch):
    """As a frozen database answers: late, and with an error."""
    asked, frozen, may_go_on = [], threading.Event(), threading.Event()

    def freeze(self):
        asked.append(1)
        frozen.set()
        may_go_on.wait(30)
        raise StorageUnavailable("The database can't be used now (OperationalError).")

    monkeypatch.setattr(Repository, "check", freeze)
    client = serve()
    client.app.router.routes.append(Route("/page", lambda request: PlainTextResponse("here")))  # on a shared thread
    with ThreadPoolExecutor(51) as pool:
        flood = [pool.submit(client.get, "/readyz") for _ in range(50)]
        assert frozen.wait(10)
        page, metrics = pool.submit(client.get, "/page"), pool.submit(client.get, "/metrics")
        wait([page], timeout=10)
        is_there = page.done()
        may_go_on.set()

        assert {each.result().status_code for each in flood} == {503}
        assert metrics.result().status_code == 200
    assert is_there
    assert len(asked) <= 2  # the others were told what these had found


def test_readiness_is_asked_for_anew_after_a_moment(client, monkeypatch):
    monkeypatch.setattr("mnist.api.health.REMEMBERED_SECONDS", 0.05)
    asked = []
    monkeypatch.setattr(Repository, "check", lambda self: asked.append(1))

    for _ in range(5):
        client.get("/readyz")
    time.sleep(0.1)
    client.get("/readyz")

    assert 2 <= len(asked) < 6


def test_while_the_network_thinks_the_process_still_answers(client, classifier, monkeypatch):
    thinking, may_go_on = threading.Event(), threading.Event()
    really = type(classifier).look

    def think(self, *given):
        thinking.set()
        may_go_on.wait(10)
        return really(self, *given)

    monkeypatch.setattr(type(classifier), "look", think)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/api/predict", content=seven(), headers=PNG)
        assert thinking.wait(10)
        others = [client.get(path).status_code for path in ("/healthz", "/readyz", "/metrics", "/api/docs")]
        was_still_thinking = not answer.done()
        may_go_on.set()

        assert answer.result().status_code == 200
    assert others == [200] * 4
    assert was_still_thinking


def test_metrics_come_as_text_or_as_openmetrics(client):
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=")
    modern = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.text.endswith("# EOF\n")


def test_predictions_stages_and_drift_are_counted(client):
    said = client.post("/api/predict", content=seven(), headers=PNG).json()
    client.post("/api/predict", content=blank(), headers=PNG)
    client.post("/api/predict/batch", json={"images": [as_base64(seven())] * 3})

    labels = {"source": "api", "model_version": "3"}
    assert sample(client, "mnist_predictions_total", digit=str(said["digit"]), verdict="digit", **labels) == 4
    assert sample(client, "mnist_predictions_total", digit="none", verdict="blank", **labels) == 1
    counts = {"preprocess": 5, "inference": 2, "store": 2}
    for stage, count in counts.items():
        assert sample(client, "mnist_stage_duration_seconds_count", stage=stage) == count
        assert sample(client, "mnist_stage_duration_seconds_sum", stage=stage) > 0
    for name in ("mnist_drawing_ink_ratio", "mnist_drawing_box_ratio", "mnist_prediction_confidence_ratio"):
        assert sample(client, f"{name}_count", source="api") == 4
    assert sample(client, "mnist_recognition_duration_seconds_count", source="api") == 3
    assert 0.55 < sample(client, "mnist_drawing_box_ratio_sum", source="api") / 4 < 0.75


def test_feedback_is_counted_as_right_or_wrong(client):
    said = client.post("/api/predict", content=seven(), headers=PNG).json()
    client.post(f"/api/predictions/{said['id']}/feedback", json={"label": said["digit"]})
    for label in ((said["digit"] + 1) % 10, None):
        client.post("/api/feedback", json={"image": as_base64(seven()), "label": label})

    assert sample(client, "mnist_feedback_total", outcome="right") == 1
    assert sample(client, "mnist_feedback_total", outcome="wrong") == 2


def test_accuracy_over_the_labelled_is_what_the_database_says(client):
    said = client.post("/api/predict", content=seven(), headers=PNG).json()
    client.post(f"/api/predictions/{said['id']}/feedback", json={"label": said["digit"]})
    client.post("/api/feedback", json={"image": as_base64(seven()), "label": None})

    assert sample(client, "mnist_labelled_accuracy_ratio", model_version="3") == 0.5
    assert sample(client, "mnist_labelled_drawings", model_version="3") == 2


def test_requests_are_counted_by_pattern_so_that_clients_can_not_make_up_series(client):
    for number in range(5):
        client.get(f"/api/{number}")
        client.post(f"/api/predictions/{number}/feedback", json={"label": 1})
        client.request(f"METHOD{number}", "/api/model")

    assert sample(client, "mnist_http_request_duration_seconds_count", route="other", status="404") == 5
    feedback = {"route": "/api/predictions/{drawing_id}/feedback", "method": "POST", "status": "404"}
    assert sample(client, "mnist_http_request_duration_seconds_count", **feedback) == 5
    assert "METHOD" not in client.get("/metrics").text
