"""The page about the network, and what a person's corrections came to."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import expect

from mnist import __version__
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.store.engine import connect
from mnist.store.labels import Mark
from mnist.store.model_registry import Registry
from tests.support.rows import stored
from tests.support.server import running_app
from tests.support.strokes import DIGITS


def test_a_new_version_answers_on_the_open_page_and_thanks_its_teachers(visit, database_url, tmp_path):
    engine = connect(database_url)
    registry = Registry(engine)
    with running_app(database_url, tmp_path / "log", MODEL_POLL_SECONDS="1") as address:
        visitor = visit(address)
        visitor.draw(DIGITS[7][0])
        visitor.settle()
        visitor.button("Yes, it’s a 7").click()
        visitor.wait_until_empty()
        [row] = stored(database_url)
        assert row.model_version == 1

        # What a retraining does at its end, with the shipped weights under a new name.
        registry.promote(
            SHIPPED_WEIGHTS.read_bytes(),
            {"rows": 1, "people": 1, "after": {"mnist_validation": 0.9971, "user_drawn": 0.98}},
            parent=1,
            replaces=1,
            marks=[Mark(uuid.UUID(str(row.id)), row.labelled_at)],
        )

        visitor.page.wait_for_timeout(3000)
        visitor.draw(DIGITS[1][0])
        visitor.settle()
        visitor.button("Yes, it’s a 1").click()
        visitor.wait_until_empty()
        expect(visitor.page.get_by_text("helped to train version 2")).to_be_visible()
        assert [each.model_version for each in stored(database_url)] == [2, 1]

        visitor.page.goto(f"{address}/model")
        expect(visitor.page.get_by_text(re.compile("Version 2 answers now"))).to_be_visible()
        expect(visitor.page.get_by_text(f"The application is version {__version__}.")).to_be_visible()
        expect(visitor.page.get_by_text("98.00 %")).to_be_visible()
        expect(visitor.page.get_by_test_id("stDataFrame")).to_be_visible()
        expect(visitor.page.locator(".stVegaLiteChart")).to_be_visible()
    engine.dispose()
