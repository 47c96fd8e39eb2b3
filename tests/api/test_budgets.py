"""What one client may ask of the API in a minute, measured by its pictures, and what it may have stored."""

import base64
import io
import re
import threading

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mnist.api.security import AccessControl
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.room import Room
from mnist.web.rate_limit import Budget
from tests.support.pictures import seven

PNG = {"Content-Type": "image/png"}


def batch(count: int) -> dict[str, list[str]]:
    return {"images": [base64.b64encode(seven()).decode()] * count}


def large() -> bytes:
    """Sixteen megapixels in a few hundred bytes."""
    file = io.BytesIO()
    Image.new("L", (4000, 4000), 255).save(file, "WEBP")
    return file.getvalue()


def noise() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 300), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_batch_counts_as_its_pictures(serve):
    client = serve(rate_limit=10)

    assert client.post("/api/predict/batch", json=batch(8)).status_code == 200
    refused = client.post("/api/predict/batch", json=batch(8))

    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_a_picture_counts_as_its_megapixels(serve):
    client = serve(rate_limit=20)
    statuses = [client.post("/api/predict", content=large(), headers={"Content-Type": "image/webp"}) for _ in range(3)]

    assert [each.status_code for each in statuses][1:] == [429, 429]


def test_a_batch_larger_than_the_limit_is_read_when_nothing_else_was(serve):
    access = AccessControl(None, 100)

    access.charge(access.admit("192.0.2.1", (), None), [1_000_000] * 101)


def test_while_a_batch_is_read_another_one_of_the_same_client_waits(serve, monkeypatch):
    client, begun, go_on = serve(), threading.Event(), threading.Event()
    read = Recogniser.recognise_batch

    def slowly(*arguments, **options):
        begun.set()
        assert go_on.wait(20)
        return read(*arguments, **options)

    monkeypatch.setattr(Recogniser, "recognise_batch", slowly)
    answers = []
    first = threading.Thread(target=lambda: answers.append(client.post("/api/predict/batch", json=batch(2))))
    first.start()
    assert begun.wait(20)
    try:
        assert client.post("/api/predict/batch", json=batch(2)).status_code == 429
        assert client.post("/api/predict", content=seven(), headers=PNG).status_code == 200
    finally:
        go_on.set()
        first.join()

    assert answers[0].status_code == 200
    assert client.post("/api/predict/batch", json=batch(2)).status_code == 200


@pytest.mark.parametrize("path", ["predict", "feedback", "batch"])
def test_over_the_budget_nothing_more_is_stored(serve, kept, path):
    client = serve(budget=Budget((100_000, 60)))

    def send() -> int:
        if path == "feedback":
            return client.post("/api/feedback", files={"file": noise()}, data={"label": "7"}).status_code
        if path == "batch":
            pictures = {"images": [base64.b64encode(noise()).decode()] * 2}
            return client.post("/api/predict/batch", json=pictures).status_code
        return client.post("/api/predict", content=noise(), headers=PNG).status_code

    statuses = [send() for _ in range(5)]

    assert statuses[0] < 300
    assert statuses[-1] == 429
    assert sum(len(each.image) for each in kept.recent(limit=100)) < 400_000


def test_who_has_the_key_stores_what_the_rate_limit_lets_through(serve):
    client: TestClient = serve(budget=Budget((10_000, 60)), api_key="key")

    statuses = {client.post("/api/predict", content=noise(), headers={**PNG, "X-API-Key": "key"}) for _ in range(5)}

    assert {each.status_code for each in statuses} == {200}


def test_a_full_database_answers_and_keeps_nothing(serve, api_engine, kept):
    client = serve(Repository(api_engine, Room(api_engine, 1)))

    read = client.post("/api/predict", content=seven(), headers=PNG)
    several = client.post("/api/predict/batch", json=batch(2))
    labelled = client.post("/api/feedback", files={"file": seven()}, data={"label": "7"})

    assert (read.status_code, read.json()["stored"]) == (200, False)
    assert [each["stored"] for each in several.json()["predictions"]] == [False, False]
    assert (labelled.status_code, "DATABASE_MAX_MB" in labelled.json()["error"]) == (503, True)
    assert kept.recent(limit=9) == []
    metrics = client.get("/metrics").text
    assert "mnist_database_limit_bytes 1.0" in metrics
    assert re.search(r"^mnist_database_bytes [\d.]+(e\+\d+)?$", metrics, re.MULTILINE)
