"""The calls of the contract, one after the other."""

import math
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import URL

from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.support.pictures import as_base64, blank, seven

NOW = datetime.now(UTC)

PNG = {"Content-Type": "image/png"}


@pytest.mark.parametrize(("format", "kind"), [
    ("PNG", "image/png"),
    ("JPEG", "image/jpeg"),
    ("JPEG", "image/jpg"),
    ("WEBP", "image/webp"),
    ("AVIF", "image/avif"),
    ("GIF", "image/gif"),
    ("BMP", "image/bmp"),
    ("PNG", "IMAGE/PNG; charset=binary"),
])  # fmt: skip
def test_raw_bytes_get_an_answer_of_the_contract_and_a_row(client, kept, format, kind):
    answer = client.post("/api/predict", content=seven(format=format), headers={"Content-Type": kind})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert set(said) == {"id", "digit", "confidence", "probabilities", "verdict", "model_version", "stored", "boxes"}
    assert (said["verdict"], said["model_version"], said["stored"]) == ("digit", 3, True)
    assert len(said["probabilities"]) == 10
    assert math.isclose(sum(said["probabilities"]), 1, abs_tol=1e-6)
    assert said["confidence"] == max(said["probabilities"]) == said["probabilities"][said["digit"]]
    row = kept.find(uuid.UUID(said["id"]))
    assert (row.source, row.predicted_digit, row.session_id) == ("api", said["digit"], "192.0.2.7")


def test_every_way_of_sending_a_picture_gets_the_same_answer(client, kept):
    picture = seven()
    answers = [
        client.post("/api/predict", content=picture, headers=PNG),
        client.post("/api/predict", files={"file": ("seven.png", picture, "image/png")}),
        client.post("/api/predict", files={"file": picture}, data={"something": "else"}),
        client.post("/api/predict", json={"image": as_base64(picture)}),
        client.post("/api/predict", json={"image": f"data:image/png;base64,{as_base64(picture)}"}),
        client.post(
            "/api/predict", json={"image": "\n".join(as_base64(picture)[i : i + 76] for i in range(0, 9999, 76))}
        ),
        client.post("/api/predict/batch", json={"images": [as_base64(picture)]}),
        client.post("/api/predict/batch", json={"images": [{"image": as_base64(picture)}]}),
    ]

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    said = [answer.json().get("predictions", [answer.json()])[0] for answer in answers]
    assert len({str(each["probabilities"]) for each in said}) == 1
    assert {row.image for row in kept.recent(limit=100)} == {picture}
    assert len({each["id"] for each in said}) == len(kept.recent(limit=100)) == len(answers)


def test_a_blank_picture_is_told_and_not_stored(client, kept):
    said = client.post("/api/predict", content=blank(), headers=PNG).json()

    assert (said["digit"], said["verdict"], said["stored"]) == (None, "blank", False)
    assert said["probabilities"] == [0.1] * 10
    assert kept.recent(limit=1) == []
    assert client.post(f"/api/predictions/{said['id']}/feedback", json={"label": 1}).status_code == 404


def test_a_batch_keeps_the_order_and_skips_the_blank_ones_in_the_database(client, kept):
    pictures = [seven(), blank(), seven(64, paper=230, ink=20), seven(200)]

    said = client.post("/api/predict/batch", json={"images": list(map(as_base64, pictures))}).json()["predictions"]

    assert [each["verdict"] == "blank" for each in said] == [False, True, False, False]
    singles = [client.post("/api/predict", content=picture, headers=PNG).json() for picture in pictures]
    for many, single in zip(said, singles, strict=True):
        assert many["probabilities"] == pytest.approx(single["probabilities"], abs=1e-5)
    for each, picture in zip(said, pictures, strict=True):
        if each["stored"]:
            assert kept.find(uuid.UUID(each["id"])).image == picture
    assert len(kept.recent(limit=100)) == 3 + 3


def test_a_batch_of_256_comes_in_parts_and_is_one_transaction(client, kept):
    sizes = [56 + number % 40 for number in range(256)]
    pictures = [blank() if number in (40, 255) else seven(size) for number, size in enumerate(sizes)]

    said = client.post("/api/predict/batch", json={"images": list(map(as_base64, pictures))}).json()["predictions"]

    assert [number for number, each in enumerate(said) if each["verdict"] == "blank"] == [40, 255]
    rows = {str(row.id): row.image for row in kept.recent(limit=300)}
    assert [rows.get(each["id"]) for each in said if each["stored"]] == [
        picture for number, picture in enumerate(pictures) if number not in (40, 255)
    ]
    metrics = client.get("/metrics").text
    assert 'mnist_stage_duration_seconds_count{stage="inference"} 8.0' in metrics
    assert 'mnist_stage_duration_seconds_count{stage="store"} 1.0' in metrics


def test_an_empty_batch_is_answered_with_nothing(client):
    assert client.post("/api/predict/batch", json={"images": []}).json() == {"predictions": []}


@pytest.mark.parametrize("place", [1, 70])
def test_one_bad_picture_refuses_the_whole_batch_by_its_place(client, kept, place):
    pictures = [as_base64(seven())] * place + [as_base64(b"no picture")] * 2

    answer = client.post("/api/predict/batch", json={"images": pictures})

    assert answer.status_code == 400
    assert f"images[{place}]" in answer.json()["error"]
    assert kept.recent(limit=1) == []
    assert "mnist_predictions_total{" not in client.get("/metrics").text


@pytest.mark.parametrize("label", [0, 9, None, "2026"])
def test_feedback_labels_the_drawing_and_may_change_its_mind(client, kept, label):
    drawing_id = client.post("/api/predict", content=seven(), headers=PNG).json()["id"]
    assert client.post(f"/api/predictions/{drawing_id}/feedback", json={"label": 3}).status_code == 204

    answer = client.post(f"/api/predictions/{drawing_id}/feedback", json={"label": label})

    assert (answer.status_code, answer.content) == (204, b"")
    row = kept.find(uuid.UUID(drawing_id))
    assert row.is_labelled
    assert row.truth == (None if label is None else str(label))


@pytest.mark.parametrize("label", [-1, 10, 7.0, 7.5, True, "7", "seven", "", [7], {"digit": 7}, 10**30])
def test_a_label_that_is_none_is_refused(client, kept, label):
    drawing_id = client.post("/api/predict", content=seven(), headers=PNG).json()["id"]

    by_id = client.post(f"/api/predictions/{drawing_id}/feedback", json={"label": label})
    at_once = client.post("/api/feedback", json={"image": as_base64(seven()), "label": label})

    assert (by_id.status_code, at_once.status_code) == (400, 400)
    assert "label" in by_id.json()["error"]
    [row] = kept.recent(limit=10)
    assert not row.is_labelled


@pytest.mark.parametrize("unknown", [str(uuid.UUID(int=1)), "7", "a b", "%00", "x" * 5000])
def test_feedback_on_an_unknown_drawing_is_404(client, unknown):
    answer = client.post(f"/api/predictions/{unknown}/feedback", json={"label": 1})

    assert answer.status_code == 404
    assert len(answer.json()["error"]) < 200


def test_a_drawing_of_the_page_is_not_labelled_by_whoever_has_its_link(client, kept):
    drawing_id = client.post("/api/predict", content=seven(), headers=PNG).json()["id"]
    drawn = replace(kept.find(uuid.UUID(drawing_id)), id=uuid.uuid4(), source="canvas", true_label=7, labelled_at=NOW)
    kept.save(drawn)

    answer = client.post(f"/api/predictions/{drawn.id}/feedback", json={"label": 3})

    assert answer.status_code == 404
    assert kept.find(drawn.id).true_label == 7


def test_feedback_after_a_retraining_is_409(client, kept):
    drawing_id = client.post("/api/predict", content=seven(), headers=PNG).json()["id"]
    learned = replace(kept.find(uuid.UUID(drawing_id)), id=uuid.uuid4(), feedback_processed=True, processed_by=4)
    kept.add_all([learned])

    answer = client.post(f"/api/predictions/{learned.id}/feedback", json={"label": 1})

    assert answer.status_code == 409
    assert "already processed" in answer.json()["error"]


@pytest.mark.parametrize(("sent", "truth"), [
    ({"files": {"file": seven()}, "data": {"label": "7"}}, "7"),
    ({"files": {"file": seven()}, "data": {"label": "null"}}, None),
    ({"files": {"file": seven()}, "data": {"label": "26"}}, "26"),
    ({"json": {"image": as_base64(seven()), "label": 0}}, "0"),
    ({"json": {"image": as_base64(seven()), "label": None}}, None),
])  # fmt: skip
def test_a_drawing_and_its_label_arrive_at_once(client, kept, sent, truth):
    answer = client.post("/api/feedback", **sent)

    assert answer.status_code == 201
    row = kept.find(uuid.UUID(answer.json()["id"]))
    assert (row.is_labelled, row.truth, row.image, row.source) == (True, truth, seven(), "api")
    assert len(row.probabilities) == 10


def test_a_labelled_drawing_that_can_not_be_used_leaves_nothing_behind(client, kept):
    refused = [
        client.post("/api/feedback", files={"file": blank()}, data={"label": "7"}),
        client.post("/api/feedback", files={"file": b"no picture"}, data={"label": "7"}),
        client.post("/api/feedback", files={"file": seven()}, data={"label": ""}),
    ]

    assert [answer.status_code for answer in refused] == [400, 400, 400]
    assert kept.recent(limit=1) == []


def test_the_model_is_described(client):
    said = client.get("/api/model").json()

    assert said["version"] == 3
    assert set(said) == {"version", "trained_at", "trained_from", "metrics"}


@pytest.fixture
def without_database(serve, tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    return serve(Repository(connect(URL.create("sqlite", database=str(tmp_path / "file" / "mnist.db")))))


def test_without_a_database_predictions_still_come_and_say_so(without_database):
    single = without_database.post("/api/predict", content=seven(), headers=PNG).json()
    batch = without_database.post("/api/predict/batch", json={"images": [as_base64(seven())]}).json()

    assert (single["stored"], batch["predictions"][0]["stored"]) == (False, False)
    assert single["digit"] is not None
    metrics = without_database.get("/metrics").text
    assert 'mnist_database_errors_total{operation="store"} 2.0' in metrics


def test_without_a_database_feedback_is_503_and_can_be_sent_again(without_database):
    answers = [
        without_database.post(f"/api/predictions/{uuid.uuid4()}/feedback", json={"label": 1}),
        without_database.post("/api/feedback", files={"file": seven()}, data={"label": "7"}),
    ]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert "Traceback" not in answers[0].text
