"""GET /api/export: for the administrator only."""

import io
import time
import zipfile

import pytest

from mnist.web.sign_in import SignIn
from tests.store.test_drawings import NOON, drawing
from tests.support.pictures import seven

PASSWORD = {"Authorization": "Bearer right"}


def test_the_administrator_gets_every_labelled_drawing(serve, kept):
    kept.add_all([drawing(image=seven(), true_label=7, labelled_at=NOON) for _ in range(3)] + [drawing()])

    answer = serve(admin_password="right").get("/api/export", headers=PASSWORD)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 4


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic right"}, {"X-API-Key": "right"},
])  # fmt: skip
def test_nobody_else_gets_any(serve, headers):
    answer = serve(admin_password="right").get("/api/export", headers=headers)

    assert answer.status_code == 401
    assert "ADMIN_PASSWORD" in answer.json()["error"]


def test_an_api_key_is_no_administrator(serve):
    assert (
        serve(admin_password="right", api_key="key").get("/api/export", headers={"X-API-Key": "key"}).status_code == 401
    )


def test_without_a_password_there_is_no_export(serve):
    assert serve().get("/api/export", headers=PASSWORD).status_code == 404


def test_guessing_is_slowed_down(serve):
    client = serve(admin_password="right")
    for _ in range(5):
        assert client.get("/api/export", headers={"Authorization": "Bearer wrong"}).status_code == 401

    answer = client.get("/api/export", headers=PASSWORD)

    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


def test_a_ticket_of_another_process_or_an_old_one_opens_nothing(serve):
    client = serve(admin_password="right")

    for ticket in (SignIn("right").ticket("0" * 32), f"{int(time.time()) + 99}.0", "nonsense"):
        assert client.get("/api/export", params={"ticket": ticket}).status_code == 401


def test_a_database_that_is_away_is_said_before_anything_is_sent(serve, kept, monkeypatch):
    from mnist.drawing import StorageUnavailable
    from mnist.store.administration import Administration

    def away(*_: object) -> None:
        raise StorageUnavailable("The database can't be used now.")

    monkeypatch.setattr(Administration, "labelled", away)

    answer = serve(admin_password="right").get("/api/export", headers=PASSWORD)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
