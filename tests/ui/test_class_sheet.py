"""Storing a class sheet: it counts for what a network may have stored, like any other drawing."""

from __future__ import annotations

from types import SimpleNamespace

from mnist.ui import class_sheet
from mnist.ui.visitor import Visit
from mnist.web.rate_limit import Budget
from tests.store.test_drawings import drawing


def test_a_sheet_spends_the_networks_budget_and_waits_when_that_is_used_up(monkeypatch):
    spent, stored, started_over = Budget((1000, 60)), [], []
    monkeypatch.setattr("mnist.services.storing", lambda: spent)
    monkeypatch.setattr("mnist.services.recogniser", lambda: SimpleNamespace(store_labelled=stored.append))
    monkeypatch.setattr("mnist.ui.admin_session.address", lambda: "203.0.113.7")
    visit, sheet = Visit(), [drawing(image=b"x" * 600), drawing(image=b"x" * 600)]

    class_sheet._store(visit, sheet, lambda: started_over.append(True))
    class_sheet._store(visit, sheet, lambda: started_over.append(True))

    assert (len(stored), len(started_over)) == (1, 1)
    assert visit.problem is not None
    assert "no more is taken for now" in visit.problem
