"""The API in this process, on SQLite and with a network that was never trained; and the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sqlalchemy import URL, Engine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mnist.api import make_routes
from mnist.metrics import Metrics
from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier
from mnist.model.network import DigitNetwork
from mnist.recognition.recogniser import Recogniser
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.own_labels import OwnLabels
from mnist.web.rate_limit import Budget
from mnist.web.sign_in import SignIn
from tests.support.server import NO_LIMITS, running_app


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """Never trained: these tests are about the way to the network and back, not about what it says."""
    torch.manual_seed(3)
    return Classifier(
        DigitNetwork(), Calibration(temperature=1.0, non_digit_threshold=1e9, unsure_threshold=0.0), version=3
    )


@pytest.fixture
def api_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(URL.create("sqlite", database=str(tmp_path / "mnist.db")))
    yield engine
    engine.dispose()


@pytest.fixture
def kept(api_engine: Engine) -> Repository:
    """What the API under test stores."""
    return Repository(api_engine)


@pytest.fixture
def serve(classifier: Classifier, kept: Repository, api_engine: Engine) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of an API with the given settings; tests stay under the rate limit unless they set it."""
    opened: list[TestClient] = []

    def make(
        repository: Repository = kept, *, address: str = "192.0.2.7", budget: Budget | None = None, **changes: object
    ) -> TestClient:
        settings = replace(Settings.from_environment({"RATE_LIMIT": "0"}), **changes)  # type: ignore[arg-type]
        metrics = Metrics()
        recogniser = Recogniser(
            classifier,
            repository,
            max_bytes=settings.max_upload_bytes,
            max_pixels=settings.max_image_pixels,
            metrics=metrics,
            own_labels=OwnLabels(api_engine),
        )
        sign_in = SignIn(settings.admin_password)
        storing = budget or Budget()
        routes = make_routes(
            lambda: recogniser,
            settings,
            metrics,
            lambda: Administration(api_engine),
            lambda: sign_in,
            lambda: storing,
        )
        application = Starlette(routes=routes)
        client = TestClient(application, client=(address, 50000), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, URL]]:
    """`streamlit run app.py` with the shipped network: (address, database)."""
    folder = tmp_path_factory.mktemp("api")
    url = URL.create("sqlite", database=str(folder / "mnist.db"))
    with running_app(url, folder / "log", **NO_LIMITS, UPLOAD_SECONDS="2", API_KEY="", REQUEST_LOG="on") as address:
        yield address, url


@pytest.fixture
def server_log(server: tuple[str, URL]) -> Path:
    assert server[1].database is not None
    return Path(server[1].database).parent / "log"
