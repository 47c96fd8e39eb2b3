"""Bodies of every shape and size: what is wrong is told, and nothing breaks."""

import asyncio
import base64
import codecs
import gzip
import io
import json
import zlib
from urllib.parse import quote

import pytest
from fastapi import HTTPException, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mnist.api.uploads import Uploads
from tests.support.pictures import as_base64, blank, seven

PNG = {"Content-Type": "image/png"}
JSON = {"Content-Type": "application/json"}
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
HOW_OFTEN = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def bomb(side: int = 20_000) -> bytes:
    """A few kilobytes that would be 400 million pixels."""
    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(side // 8 + 1)) for _ in range(200)) + rows.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def refused(answer, status: int, *words: str) -> None:
    assert answer.status_code == status, answer.text
    message = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert "Traceback" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "body", [b"", b"no picture", seven()[:60], b"II*\0" + bytes(60), b"\x89PNG\r\n\x1a\n" + bytes(9)]
)
def test_bytes_that_are_no_picture_are_400(client, body):
    refused(client.post("/api/predict", content=body, headers=PNG), 400)
    refused(client.post("/api/predict", json={"image": base64.b64encode(body).decode()}), 400)


def test_base64_is_read_in_each_way_that_programs_write_it(client):
    text = as_base64(seven())
    assert "+" in text
    assert "/" in text
    assert text.endswith("=")
    ways = [
        text.replace("+", "-").replace("/", "_"),
        text.rstrip("="),
        f"  \n{text}",
        "\n".join(text[place : place + 76] for place in range(0, len(text), 76)),
        f"data:image/png;base64,{quote(text, safe='')}",
        f"DATA:image/png;charset=utf-8;base64,{text}",
    ]
    plain = client.post("/api/predict", content=seven(), headers=PNG).json()["probabilities"]
    for way in ways:
        answer = client.post("/api/predict", json={"image": way})
        assert (answer.status_code, answer.json().get("probabilities")) == (200, plain), way[:60]
        in_form = client.post("/api/predict", files={"file": ("a.txt", way.encode())})
        assert (in_form.status_code, in_form.json().get("probabilities")) == (200, plain), way[:60]


def test_json_may_begin_with_a_byte_order_mark(client):
    body = codecs.BOM_UTF8 + json.dumps({"image": as_base64(seven())}).encode()

    assert client.post("/api/predict", content=body, headers=JSON).status_code == 200


def test_a_compressed_body_is_415_and_named(client):
    headers = {**PNG, "Content-Encoding": "gzip"}

    refused(client.post("/api/predict", content=gzip.compress(seven()), headers=headers), 415, "gzip", "as it is")


def test_a_slash_at_the_end_changes_nothing(client):
    assert client.post("/api/predict/", content=seven(), headers=PNG).status_code == 200
    assert client.get("/api/model/").status_code == 200
    assert client.get("/api/").status_code == 404


@pytest.mark.parametrize(
    "text", ["%%%", "a", "data:image/png;base64", "data:image/png,abc", "data:,", "é", "\x00", "AAA\ud83d"]
)
def test_text_that_is_no_base64_is_400(client, text):
    body = json.dumps({"image": text}).encode()

    answer = client.post("/api/predict", content=body, headers=JSON)

    assert answer.status_code in ((422,) if "\ud83d" in text else (400,))  # half a character is not even JSON


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "image/tiff", "application/octet-stream", "application/x-www-form-urlencoded"]
)
@pytest.mark.parametrize("path", ["/api/predict", "/api/predict/batch", "/api/feedback", "/api/predictions/7/feedback"])
def test_another_content_type_is_415_and_tells_the_accepted_ones(client, path, kind):
    refused(client.post(path, content=seven(), headers={"Content-Type": kind}), 415, "application/json")


def test_a_raw_picture_has_no_place_for_a_label(client):
    refused(client.post("/api/feedback", content=seven(), headers=PNG), 415, "multipart/form-data")


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b"7", b"{}", b'{"image": 7}', b'{"image": null}', b"\xff\xfe", b'{"image": "' + b"[" * 9,
    b"[" * 100_000, b'{"image": ' * 5_000, b'{"a": 1' + b"0" * 5_000 + b"}",
])  # fmt: skip
def test_json_of_another_shape_is_422(client, body):
    refused(client.post("/api/predict", content=body, headers=JSON), 422)
    refused(client.post("/api/feedback", content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "body", [{}, {"images": None}, {"images": [7]}, {"images": ["a", None]}, {"images": [{"picture": "a"}]}]
)
def test_a_batch_of_another_shape_is_422(client, body):
    refused(client.post("/api/predict/batch", json=body), 422, "images")


def test_a_batch_of_257_is_422(client):
    refused(
        client.post("/api/predict/batch", json={"images": [as_base64(blank())] * 257}),
        422, "at most 256 pictures", "several requests",
    )  # fmt: skip


def test_a_label_must_be_there_even_if_null(client):
    refused(client.post("/api/feedback", json={"image": as_base64(seven())}), 422, "label")
    refused(client.post("/api/predictions/7/feedback", json={"lable": 7}), 422, "label")
    refused(client.post("/api/feedback", files={"file": seven()}), 422, "label")


@pytest.mark.parametrize(("kind", "body"), [
    ("multipart/form-data", b"--x"),
    ("multipart/form-data; boundary=x", b""),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc"),
    ("multipart/form-data; boundary=x", b"no boundary here"),
    ("multipart/form-data; boundary=x", b"--x\r\n" + b"a: b\r\n" * 5000),
    ("multipart/form-data; boundary=x", b"--x--\r\n"),
    ("multipart/form-data; boundary=" + "x" * 5000, PART + b"--x--"),
    ("multipart/form-data; boundary=x", PART * 1000 + b"--x--"),
])  # fmt: skip
def test_a_damaged_form_is_422(client, kind, body):
    refused(client.post("/api/predict", content=body, headers={"Content-Type": kind}), 422)


def test_a_form_holds_exactly_one_picture(client):
    refused(client.post("/api/predict", files={"picture": seven()}), 422, "file")
    refused(client.post("/api/predict", files=[("file", seven()), ("file", seven())]), 422, "2 fields")


@pytest.mark.parametrize(("others", "status"), [(16, 200), (17, 422)])
def test_a_form_holds_sixteen_other_fields_at_most(client, others, status):
    form = {f"field {number}": "x" for number in range(others)}

    assert client.post("/api/predict", files={"file": seven()}, data=form).status_code == status


def test_a_form_with_an_overlong_label_is_refused(client):
    sent = {"files": {"file": seven()}, "data": {"label": " " * 100 + "7"}}

    refused(client.post("/api/feedback", **sent), 400, "too long")


def test_a_large_picture_in_a_form_touches_no_disk(client, monkeypatch):
    def no_disk(*_arguments, **_options):
        raise AssertionError("a temporary file was opened")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", no_disk)
    monkeypatch.setattr("tempfile.TemporaryFile", no_disk)
    noise = Image.effect_noise((1600, 1600), 90)
    buffer = io.BytesIO()
    noise.save(buffer, format="PNG")
    assert len(buffer.getvalue()) > 1_500_000

    assert client.post("/api/predict", files={"file": buffer.getvalue()}).status_code == 200


def test_bytes_over_the_limit_are_413_in_every_way_of_sending(serve):
    client = serve(max_upload_bytes=2**20, max_batch_bytes=2**20)
    large = seven() + bytes(2**20)
    text = as_base64(large)

    refused(client.post("/api/predict", content=large, headers=PNG), 413, "1.0 MB")
    refused(client.post("/api/predict", files={"file": large}), 413, "MB")
    refused(client.post("/api/predict", json={"image": text}), 413, "MB")
    refused(client.post("/api/feedback", json={"image": text, "label": 7}), 413, "MB")
    refused(client.post("/api/predict/batch", json={"images": [text]}), 413, "MB", "fewer or smaller pictures")
    refused(client.post("/api/predictions/7/feedback", json={"label": "7" * 2**20}), 413, "64 kB", "the label")


def test_of_an_endless_body_no_more_than_the_limit_is_kept():
    read = []

    async def endless():
        read.append(2**18)
        return {"type": "http.request", "body": bytes(2**18), "more_body": True}

    async def receive_it():
        request = Request({"type": "http", "method": "POST", "headers": []}, endless)
        async with Uploads(10).receive(request, 2**20):
            pytest.fail("it was taken")

    with pytest.raises(HTTPException) as told:
        asyncio.run(receive_it())

    assert told.value.status_code == 413
    assert sum(read) == 2**20 + 2**18


def test_of_a_body_that_says_that_it_is_over_the_limit_nothing_is_read():
    async def anything():
        pytest.fail("it was read")

    async def receive_it():
        request = Request({"type": "http", "method": "POST", "headers": [(b"content-length", b"1000001")]}, anything)
        async with Uploads(10).receive(request, 10**6):
            pytest.fail("it was taken")

    with pytest.raises(HTTPException) as told:
        asyncio.run(receive_it())

    assert told.value.status_code == 413


def test_an_upload_that_does_not_end_is_told_what_would():
    async def stalled():
        await asyncio.sleep(60)

    async def receive_it():
        request = Request({"type": "http", "method": "POST", "headers": []}, stalled)
        async with Uploads(0.01).receive(request, 2**20, remedy="Send only the label."):
            pytest.fail("it was taken")

    with pytest.raises(HTTPException) as told:
        asyncio.run(receive_it())

    assert told.value.status_code == 400
    assert str(told.value.detail).endswith("Send only the label.")


def test_a_body_that_does_not_tell_its_length_is_refused_too(serve):
    chunks = (bytes(2**18) for _ in range(40))

    refused(serve(max_upload_bytes=2**20).post("/api/predict", content=chunks, headers=PNG), 413)


def test_a_picture_of_just_the_limit_is_taken(serve):
    picture = seven()
    client = serve(max_upload_bytes=len(picture))

    assert client.post("/api/predict", content=picture, headers=PNG).status_code == 200
    assert client.post("/api/predict", json={"image": as_base64(picture)}).status_code == 200
    assert client.post("/api/predict", files={"file": picture}).status_code == 200


def test_pixels_over_the_limit_are_413_before_anything_is_decoded(serve, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("the picture was decoded"))
    client = serve(max_batch_pixels=30_000)

    refused(client.post("/api/predict", content=bomb(), headers=PNG), 413, "pixels")
    refused(client.post("/api/predict/batch", json={"images": [as_base64(bomb(2_000))]}), 413, "pixels")
    refused(client.post("/api/predict/batch", json={"images": [as_base64(seven(120))] * 3}), 413, "in all")


def test_bodies_are_let_go_of_once_they_are_answered(serve, monkeypatch):
    monkeypatch.setattr("mnist.api.uploads.HELD_BYTES", 3 * len(seven()))
    client = serve()

    for body in (seven(), b"no picture", seven()[:50]) * 5:
        assert client.post("/api/predict", content=body, headers=PNG).status_code in (200, 400)
    too_many = client.post("/api/predict", content=bytes(4 * len(seven())), headers=PNG)
    refused(too_many, 503)
    assert too_many.headers["retry-after"] == "2"
    assert client.post("/api/predict", content=seven(), headers=PNG).status_code == 200


def test_one_client_leaves_others_room_for_their_uploads(monkeypatch):
    monkeypatch.setattr("mnist.api.uploads.HELD_BYTES", 100)
    uploads = Uploads(10)

    async def take(address: str, size: int, meanwhile=None) -> None:
        async def body():
            return {"type": "http.request", "body": bytes(size)}

        scope = {"type": "http", "method": "POST", "headers": [], "client": (address, 1)}
        async with uploads.receive(Request(scope, body), 100) as received:
            assert len(received) == size
            if meanwhile:
                await meanwhile()

    async def is_refused(address: str, size: int, status: int) -> None:
        with pytest.raises(HTTPException) as told:
            await take(address, size)
        assert (told.value.status_code, told.value.headers) == (status, {"Retry-After": "2"})

    async def beside_a_large_one() -> None:
        await is_refused("192.0.2.1", 10, 429)
        await take("192.0.2.2", 40)
        await is_refused("192.0.2.2", 60, 503)

    asyncio.run(take("192.0.2.1", 55, beside_a_large_one))  # a single one may be larger than half of the room
    asyncio.run(take("192.0.2.1", 90))
    assert not uploads._held


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(as_base64(blank())),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["image", "images", "label", "x"]), inner)
    ),
    max_leaves=8,
)
sent_bodies = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())
kinds = st.sampled_from(
    ["application/json", "image/png", "image/webp", "multipart/form-data; boundary=x", "multipart/form-data", "", "a/b"]
)


@HOW_OFTEN
@given(
    body=sent_bodies,
    kind=kinds,
    path=st.sampled_from(["predict", "predict/batch", "feedback", "predictions/7/feedback"]),
)
def test_whatever_is_sent_there_is_an_answer_of_the_contract(client, body, kind, path):
    answer = client.post(f"/api/{path}", content=body, headers={"Content-Type": kind})

    assert answer.status_code in (200, 201, 400, 404, 413, 415, 422)
    assert ("error" in answer.json()) == (answer.status_code >= 400)


@HOW_OFTEN
@given(where=st.integers(0, len(seven()) - 1), value=st.integers(0, 255), cut=st.integers(0, 200))
def test_a_damaged_picture_is_read_or_refused(client, where, value, cut):
    damaged = bytearray(seven())
    damaged[where] = value

    answer = client.post("/api/predict", content=bytes(damaged[: len(damaged) - cut]), headers=PNG)

    assert answer.status_code in (200, 400, 413)


@HOW_OFTEN
@given(parts=st.lists(st.binary(max_size=60), max_size=5))
def test_forms_of_any_shape_are_answered(client, parts):
    body = (
        b"--x\r\n"
        + b"\r\n--x\r\n".join(b'Content-Disposition: form-data; name="file"\r\n' + part for part in parts)
        + b"\r\n--x--\r\n"
    )

    answer = client.post("/api/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})

    assert answer.status_code in (400, 422)
