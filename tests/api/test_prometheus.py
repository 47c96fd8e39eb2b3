"""A real Prometheus scrapes the real server, and every panel of the dashboard has something to show."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.pictures import as_base64, blank, seven
from tests.support.prometheus import IN_COMPOSE, OURS, get, running

ROOT = Path(__file__).resolve().parent.parent.parent
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "mnist.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


def send(address: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{address}/api/{path}", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or "null")


def use(address: str) -> None:
    """A little of everything that is counted."""
    said = send(address, "predict", {"image": as_base64(seven())})
    send(address, f"predictions/{said['id']}/feedback", {"label": said["digit"]})
    send(address, "predict", {"image": as_base64(blank())})
    send(address, "feedback", {"image": as_base64(seven(80)), "label": 1})
    send(address, "predict/batch", {"images": [as_base64(seven(90))] * 3})
    with pytest.raises(urllib.error.HTTPError):
        send(address, "predict", {"image": "no picture"})


@pytest.fixture(scope="module")
def prometheus(server, tmp_path_factory) -> Iterator[str]:
    """Debian's Prometheus with our configuration, except for the target and the pace. Yields its address."""
    ours = (OURS / "prometheus.yml").read_text()
    assert IN_COMPOSE in ours
    target = f"    static_configs:\n      - targets: ['{urlsplit(server[0]).netloc}']\n"
    configuration = ours.replace(IN_COMPOSE, target).replace(": 15s", ": 1s")
    with running(tmp_path_factory.mktemp("prometheus"), configuration, (OURS / "alerts.yml").read_text()) as address:
        yield address


def ask(prometheus: str, expression: str) -> list[float]:
    """Values of a query now; those that are no number count as nothing, as in a panel."""
    found = get(prometheus, "query", query=expression)["result"]
    return [value for each in found if not math.isnan(value := float(each["value"][1]))]


def test_no_panel_of_the_dashboard_is_empty(server, prometheus):
    empty = dict(QUERIES)
    assert len(PANELS) >= 15
    deadline = time.monotonic() + 45
    while empty and time.monotonic() < deadline:
        use(server[0])
        time.sleep(1)  # until the next scrape
        empty = {
            (title, expression)
            for title, expression in QUERIES
            if not ask(prometheus, expression.replace("$__rate_interval", "30s"))
        }

    assert not empty


def test_the_accuracy_that_prometheus_has_is_that_of_the_labels(server, prometheus):
    right, total = (sum(ask(prometheus, f"mnist_feedback_total{which}")) for which in ('{outcome="right"}', ""))

    [accuracy] = ask(prometheus, "mnist_labelled_accuracy_ratio")

    assert 0 < accuracy < 1
    assert accuracy == pytest.approx(right / total, abs=0.2)  # the database is asked every 10 s


def test_every_alert_is_understood_and_none_fires_on_a_healthy_server(prometheus):
    [group] = get(prometheus, "rules")["groups"]

    assert len(group["rules"]) >= 5
    assert [rule["name"] for rule in group["rules"] if rule["health"] == "err"] == []
    assert [rule["name"] for rule in group["rules"] if rule["state"] == "firing"] == []


def test_every_metric_in_the_dashboard_and_the_alerts_is_one_of_ours(server):
    import re

    known = urllib.request.urlopen(f"{server[0]}/metrics").read().decode()
    alerts = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()

    for name in set(re.findall(r"\bmnist_\w+", " ".join(query for _, query in QUERIES) + alerts)):
        assert re.search(rf"^{name}\b", known, re.MULTILINE), name


def test_grafana_finds_the_dashboard_and_its_data():
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    source = (provisioning / "datasources" / "prometheus.yml").read_text()

    uids = {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert uids == {"prometheus"}
    assert "uid: prometheus" in source
    assert "/var/lib/grafana/dashboards" in (provisioning / "dashboards" / "mnist.yml").read_text()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one in PANELS:
        for other in PANELS:
            assert one is other or not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
