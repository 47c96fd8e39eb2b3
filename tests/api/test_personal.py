"""What an integrator's user labels turns that user's later answers, and nobody else's."""

from __future__ import annotations

import pytest

from tests.support.pictures import as_base64, seven

PNG = {"Content-Type": "image/png"}
KEY = {"X-API-Key": "k3y"}


@pytest.fixture
def locked(serve):
    return serve(api_key="k3y")


def headers(session: str | None) -> dict[str, str]:
    return {**PNG, **KEY, **({"X-Session-Id": session} if session else {})}


def correct(client, session: str | None) -> tuple[int, dict]:
    """Send a picture and say that it is another digit; returns that digit and the answer."""
    said = client.post("/api/predict", content=seven(), headers=headers(session)).json()
    label = (said["digit"] + 1) % 10
    path = f"/api/predictions/{said['id']}/feedback"
    assert client.post(path, json={"label": label}, headers=KEY).status_code == 204
    return label, said


def test_a_users_label_counts_at_once_and_the_answer_says_so(locked):
    label, before = correct(locked, "alice")

    after = locked.post("/api/predict", content=seven(size=130), headers=headers("alice")).json()

    assert "personal" not in before
    assert (after["digit"], after["personal"]) == (label, True)
    body = {"images": [as_base64(seven())]}
    [in_batch] = locked.post("/api/predict/batch", json=body, headers={**KEY, "X-Session-Id": "alice"}).json()[
        "predictions"
    ]
    assert (in_batch["digit"], in_batch["personal"]) == (label, True)


def test_nobody_else_notices(locked):
    before = locked.post("/api/predict", content=seven(), headers=headers("bob")).json()
    correct(locked, "alice")

    for session in ("bob", None):
        after = locked.post("/api/predict", content=seven(), headers=headers(session)).json()
        assert {**after, "id": None} == {**before, "id": None}


def test_those_who_share_an_address_do_not_share_a_hand(client, locked):
    for unnamed in (locked, client):
        correct(unnamed, None)
        assert "personal" not in unnamed.post("/api/predict", content=seven(), headers=headers(None)).json()
    stranger = {**PNG, "X-Session-Id": "alice"}  # ignored where no key is needed
    assert "personal" not in client.post("/api/predict", content=seven(), headers=stranger).json()


def test_the_document_names_the_field(client):
    schemas = client.get("/api/openapi.json").json()["components"]["schemas"]

    assert schemas["PredictionAnswer"]["properties"]["personal"]["type"] == "boolean"
    assert "personal" not in schemas["PredictionAnswer"]["required"]
