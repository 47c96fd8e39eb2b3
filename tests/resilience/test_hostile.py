"""The real server under what nobody sends by mistake: it answers in words, stays small, and shows no trace."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from sqlalchemy import URL

from mnist.vision.image_files import MAX_MEMORY
from tests.resilience.pictures import bodies, corpus
from tests.resilience.test_processes import Application, applications
from tests.support.pictures import seven

ROOT = Path(__file__).resolve().parent.parent.parent
# Bytes above the resting process: the one picture that is decoded alone, and what twelve others are shrunk to.
MOST_MEMORY = MAX_MEMORY + 12 * 5 * 2**20
PNG = {"Content-Type": "image/png"}
KINDS = {b"\xff\xd8": "image/jpeg", b"RI": "image/webp"}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("hostile")
    with applications(URL.create("sqlite", database=str(folder / "mnist.db")), folder, 1) as [one]:
        for _ in range(20):
            assert post(one, "/api/predict", seven(), PNG)[0] == 200
        yield one


@pytest.fixture(autouse=True)
def lives(application: Application, request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test the process serves, and its log shows no exception of ours or that nobody caught."""
    known = len(application.log.read_text())
    yield
    assert application.process.poll() is None, application.log.read_text()
    assert post(application, "/api/predict", seven(), PNG)[0] == 200
    logged = application.log.read_text()[known:]
    if "widget_states" not in request.node.name:  # a state of another widget's type stops Streamlit itself, in the log
        assert f"{ROOT / 'mnist'}/" not in logged
    assert "Exception in ASGI application" not in logged


class Memory:
    """The most that the process held while the block ran, above what it held before."""

    def __init__(self, application: Application) -> None:
        self._process = psutil.Process(application.process.pid)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0

    def __enter__(self) -> "Memory":
        self._before = self._process.memory_info().rss
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        print(f"\n{self.most / 2**20:.0f} MB above {self._before / 2**20:.0f} MB")

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self.most = max(self.most, self._process.memory_info().rss - self._before)


def post(application: Application, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=60)
    try:
        link.request("POST", path, body, headers)
        answer = link.getresponse()
        return answer.status, answer.read().decode()
    finally:
        link.close()


def send_picture(application: Application, picture: bytes) -> tuple[int, str]:
    kind = KINDS.get(picture[:2], "image/png")
    return post(application, "/api/predict", picture, {"Content-Type": kind})


def test_every_picture_of_the_corpus_is_read_or_refused_in_words(application):
    with Memory(application) as memory:
        for name, picture in corpus():
            status, text = send_picture(application, picture)
            assert status in (200, 400, 413), (name, status, text)
            assert "Traceback" not in text
            assert "/site-packages/" not in text
            assert ("error" in text) == (status != 200), name

    assert memory.most < MOST_MEMORY


def test_the_largest_pictures_all_at_once_stay_within_the_memory(application):
    large = [picture for name, picture in corpus() if "megapixels" in name or "alpha" in name]

    with Memory(application) as memory, ThreadPoolExecutor(12) as clients:
        statuses = {status for status, _ in clients.map(lambda one: send_picture(application, one), large * 4)}

    assert statuses <= {200, 400, 413, 503}
    assert memory.most < MOST_MEMORY


@pytest.mark.parametrize(("name", "path", "body", "headers"), list(bodies()), ids=[each[0] for each in bodies()])
def test_a_hostile_body_is_answered_in_words(application, name, path, body, headers):
    status, text = post(application, path, body, headers)

    assert 400 <= status < 500 or name in ("a huge exponent", "many small pictures"), (status, text[:300])
    assert "Traceback" not in text
    assert "/site-packages/" not in text
    assert len(text) < 2000


LARGE = {
    "empty lists": (
        "/api/predict/batch",
        b'{"images":[' + b"[]," * 6_600_000 + b"[]]}",
        {"Content-Type": "application/json"},
    ),
    "a label in a form": (
        "/api/feedback",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nb\r\n'
        b'--x\r\nContent-Disposition: form-data; name="label"\r\n\r\n' + "\0🖊".encode() * 2_000_000 + b"\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_body_of_nothing_takes_little_memory_and_little_is_said_about_it(application, name):
    path, body, headers = LARGE[name]

    with Memory(application) as memory:
        status, text = post(application, path, body, headers)

    assert status in (400, 422), (status, text[:300])
    assert len(text) < 500
    assert memory.most < MOST_MEMORY
