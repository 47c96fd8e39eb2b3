"""The real server, from another process's point of view."""

import http.client
import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from sqlalchemy import URL, create_engine, text
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from mnist.vision.image_files import encode_png
from tests.support.pictures import seven
from tests.support.server import free_port, running_app
from tests.support.strokes import DIGITS

ROOT = Path(__file__).resolve().parent.parent.parent

UPLOAD_1000 = """
import http.client, json, sys, zlib
from concurrent.futures import ThreadPoolExecutor

host, picture = sys.argv[1], bytes.fromhex(sys.argv[2])

def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

def upload(numbers):
    link = http.client.HTTPConnection(host, timeout=60)
    answers = []
    for number in numbers:  # the same drawing, made unique by how large a pixel is said to be
        size = number.to_bytes(4, "big")
        unique = picture[:-12] + chunk(b"pHYs", size + size + b"\\0") + picture[-12:]
        link.request("POST", "/api/predict", unique, {"Content-Type": "image/png"})
        answer = link.getresponse()
        answers.append((answer.status, json.loads(answer.read())))
    return answers

with ThreadPoolExecutor(8) as pool:
    answers = [answer for some in pool.map(upload, [range(n, 1000, 8) for n in range(8)]) for answer in some]
print(json.dumps([body["id"] for status, body in answers if status == 200 and body["stored"]]))
"""


def place(server) -> str:
    return urlsplit(server[0]).netloc


def rows(server) -> list[tuple[str, bytes]]:
    engine = create_engine(server[1])
    with engine.connect() as connection:
        found = connection.execute(text("SELECT id, image FROM predictions")).all()
    engine.dispose()
    return [(row.id, row.image) for row in found]


def test_the_network_is_loaded_before_the_first_request(server):
    metrics = urllib.request.urlopen(f"{server[0]}/metrics").read().decode()

    assert "mnist_active_model_version 1.0" in metrics


def test_another_process_uploads_1000_drawings_and_every_one_is_there_once(server):
    before = {key for key, _ in rows(server)}

    client = subprocess.run(
        [sys.executable, "-c", UPLOAD_1000, place(server), seven().hex()], capture_output=True, text=True, timeout=120
    )

    assert client.returncode == 0, client.stderr
    ids = {each.replace("-", "") for each in json.loads(client.stdout)}
    stored = [(key, image) for key, image in rows(server) if key not in before]
    assert len(ids) == len(stored) == 1000
    assert {key for key, _ in stored} == ids
    assert len({image for _, image in stored}) == 1000


def test_several_digits_side_by_side_are_a_number_that_can_be_corrected(server):
    canvas = np.zeros((160, 480), np.uint8)
    for which, digit in enumerate((7, 1, 4)):
        for stroke in DIGITS[digit][0]:
            points = [(160 * which + 30 + x, 30 + y) for x, y in stroke]
            cv2.polylines(canvas, [np.array(points, int)], False, 255, 12, cv2.LINE_AA)
    link = http.client.HTTPConnection(place(server))

    link.request("POST", "/api/predict", encode_png(canvas), {"Content-Type": "image/png"})
    said = json.loads(link.getresponse().read())
    feedback = json.dumps({"label": "715"})
    link.request("POST", f"/api/predictions/{said['id']}/feedback", feedback, {"Content-Type": "application/json"})

    assert (said["verdict"], said["number"], said["digit"]) == ("number", "714", None)
    assert [round(box[0] * 480) // 160 for box in said["boxes"]] == [0, 1, 2]
    assert [each["digit"] for each in said["digits"]] == [7, 1, 4]
    assert all(0 < each["confidence"] <= 1 for each in said["digits"])
    assert link.getresponse().status == 204


def test_slow_uploads_hold_no_worker_and_end_after_their_time(server):
    address = (urlsplit(server[0]).hostname, urlsplit(server[0]).port)
    head = f"POST /api/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(seven())}\r\n\r\n"
    slow = [socket.create_connection(address) for _ in range(60)]
    for link in slow:
        link.sendall(head.encode() + seven()[:20])

    started = time.perf_counter()
    quick = http.client.HTTPConnection(place(server))
    quick.request("POST", "/api/predict", seven(), {"Content-Type": "image/png"})
    assert quick.getresponse().status == 200
    assert time.perf_counter() - started < 1.5  # the slow ones are let go after 2 s and more

    for link in slow:
        link.settimeout(15)
        assert link.recv(2000).startswith(b"HTTP/1.1 400")
        link.close()


def test_a_client_that_hangs_up_in_the_middle_does_no_harm(server, server_log):
    address = (urlsplit(server[0]).hostname, urlsplit(server[0]).port)
    for _ in range(5):
        with socket.create_connection(address) as link:
            link.sendall(
                b"POST /api/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 999\r\n\r\nabc"
            )
    time.sleep(0.3)

    assert urllib.request.urlopen(f"{server[0]}/healthz").status == 200
    assert "Traceback" not in server_log.read_text()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_upload_is_told_413_and_not_just_cut_off(server, chunked):
    link = http.client.HTTPConnection(place(server), timeout=30)
    body = (bytes(2**20) for _ in range(25)) if chunked else bytes(25 * 2**20)

    link.request("POST", "/api/predict", body, {"Content-Type": "image/png"}, encode_chunked=chunked)

    answer = link.getresponse()
    assert answer.status == 413
    assert "10.0 MB" in json.loads(answer.read())["error"]


def test_the_log_has_one_json_line_a_request(server, server_log):
    link = http.client.HTTPConnection(place(server))
    link.request("POST", "/api/predict", seven(), {"Content-Type": "image/png"})
    said = json.loads(link.getresponse().read())
    time.sleep(0.2)

    lines = [json.loads(line) for line in server_log.read_text().splitlines() if said["id"] in line]

    assert len(lines) == 1
    assert (lines[0]["digit"], lines[0]["status"]) == (said["digit"], 200)


RECORD = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]{12}\+00:00 [A-Z]+ [\w.]+: ")
FORGED = "x\r\n\u2028\x1b[31m2026-11-28T12:00:00.000+00:00 INFO mnist: forged"


def log_after_forging(place: str, log: Path) -> list[str]:
    """The log's lines once a page's websocket has asked for a part of the page that is not there: Streamlit logs it."""
    message = BackMsg()
    message.rerun_script.fragment_id = FORGED
    deadline = time.monotonic() + 20
    with connect(f"ws://{place}/_stcore/stream", subprotocols=["streamlit"], compression=None) as link:
        link.send(message.SerializeToString())
        while "forged" not in (text := log.read_text()):
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
    return text.split("\n")[:-1]


def test_streamlit_run_logs_time_level_and_logger_and_no_client_forges_a_line(tmp_path):
    database = URL.create("sqlite", database=str(tmp_path / "mnist.db"))
    with running_app(
        database,
        tmp_path / "log",
        STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE="true",
        STREAMLIT_BROWSER_SERVER_ADDRESS="localhost",
    ) as address:
        lines = log_after_forging(urlsplit(address).netloc, tmp_path / "log")

    logged = [line for line in lines if line.strip()]
    assert all(map(RECORD.match, logged)), logged
    assert [
        line for line in logged if line.endswith(" INFO mnist.recognition.active_model: Version 1 answers from now on.")
    ]
    [forged] = [line for line in logged if "forged" in line]
    assert " INFO streamlit.runtime.app_session: " in forged
    assert r"x\r\n\u2028\x1b[31m2026" in forged


def test_with_the_request_log_every_line_is_one_json_object(server, server_log):
    lines = log_after_forging(place(server), server_log)

    objects = [json.loads(line) for line in lines if line.startswith("{")]
    assert [each["logger"] for each in objects if "Version 1 answers" in each.get("message", "")]
    [forged] = [each for each in objects if "forged" in each.get("message", "")]
    assert (forged["level"], forged["logger"]) == ("INFO", "streamlit.runtime.app_session")
    last_of_the_greeting = max(number for number, line in enumerate(lines) if "URL: http" in line)
    assert all(line.startswith("{") for line in lines[last_of_the_greeting + 1 :] if line.strip())


def usual_time(address: str) -> float:
    """Seconds of a request on a connection in use; the quickest quarter, since other programs share this machine."""
    link = http.client.HTTPConnection(address, timeout=10)
    times = []
    for _ in range(50):
        started = time.perf_counter()
        link.request("GET", "/healthz")
        link.getresponse().read()
        times.append(time.perf_counter() - started)
    return float(np.quantile(times[10:], 0.25))  # the kernel acknowledges the first ones at once


def test_streamlit_run_answers_without_waiting_for_a_delayed_acknowledgement(server):
    assert usual_time(place(server)) < 0.03  # it would be 0.04 and more


def test_under_uvicorn_too_it_answers_without_delay_and_many_may_connect(tmp_path):
    port = free_port()
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/mnist.db", "API_KEY": ""}
    command = ["sh", "-c", 'ulimit -S -n 512 && exec "$@"', "sh"]
    command += [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        assert usual_time(f"127.0.0.1:{port}") < 0.03
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/").read()
        assert b"<title>Draw a digit</title>" in page
        lines = log_after_forging(f"127.0.0.1:{port}", tmp_path / "log")
        assert all(map(RECORD.match, lines)), lines
        for what in ("Version 1 answers", "Application startup complete", 'GET / HTTP/1.1" 200', "forged"):
            assert len([line for line in lines if what in line]) == 1
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        assert soft == min(hard, 65_536)
    finally:
        server.terminate()
        server.wait(20)
