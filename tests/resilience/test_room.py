"""Limits of what is stored, met by a person who draws: the page says so, and goes on reading."""

import base64
import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import URL, Engine, text
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.page_visitor import PageVisitor
from mnist.drawing import Drawing
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.resilience.conftest import wait_until
from tests.resilience.test_hostile import post
from tests.resilience.test_processes import SEVEN, Application
from tests.support.pictures import seven

PASSWORD = "open sesame"
READ = 'class="answer" role="status"'


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    engine = connect(URL.create("sqlite", database=str(tmp_path / "mnist.db")))
    yield engine
    engine.dispose()


@pytest.fixture
def application(tmp_path, engine: Engine) -> Iterator[Application]:
    with Application.running(
        tmp_path / "log",
        DATABASE_URL=engine.url.render_as_string(),
        ADMIN_PASSWORD=PASSWORD,
        API_KEY="",
        STORED_MB_PER_MINUTE="1",
        STORED_MB_PER_DAY="1",  # else the minute's would be there again on a slow machine
        DATABASE_MAX_MB="12",
    ) as application:
        yield application


def grainy(seed: int) -> str:
    """A seven that is stored with 250 kB, in Base64."""
    paper = np.asarray(Image.open(io.BytesIO(seven())).convert("L").resize((600, 600))).astype(int)
    grain = np.random.default_rng(seed).integers(-8, 9, paper.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(paper + grain, 0, 255).astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def redraw(visitor: PageVisitor) -> str:
    visitor.press("Clear")
    visitor.draw(SEVEN)
    assert READ in visitor.texts
    return visitor.texts


def administration(port: int) -> str:
    with PageVisitor(port) as visitor:
        visitor.open("administration")
        field = next(each.text_input.id for each in visitor._elements if each.HasField("text_input"))
        visitor._states[field] = WidgetState(id=field, string_value=PASSWORD)
        visitor.press("Sign in")
        return visitor.texts


def test_who_may_store_no_more_goes_on_drawing_and_is_told(application, engine):
    with PageVisitor(application.port) as visitor:
        visitor.open()
        assert "not kept" not in redraw(visitor)
        before = len(Repository(engine).recent(limit=1000))

        # The same address by another way.
        body = json.dumps({"images": [grainy(seed) for seed in range(6)]}).encode()
        assert post(application, "/api/predict/batch", body, {"Content-Type": "application/json"})[0] == 200
        assert "From your network so much was drawn that this is **not kept**" in redraw(visitor)
        assert len(Repository(engine).recent(limit=1000)) == before + 6

        assert "that it may have" not in administration(application.port)
        lives = Drawing(
            image=bytes(13 * 2**20), source="api", predicted_digit=1, confidence=1.0, probabilities=(0.1,) * 10,
            verdict="digit", model_version=1,
        )  # fmt: skip
        Repository(engine).add_all([lives])  # somebody else fills it
        wait_until(lambda: "There is no room left here, so this is **not kept**" in redraw(visitor))
        assert "**new drawings are read and not kept**" in administration(application.port)

        with engine.begin() as connection:
            connection.execute(text("DELETE FROM predictions WHERE length(image) > 1000000"))
        wait_until(lambda: "There is no room left" not in redraw(visitor))
