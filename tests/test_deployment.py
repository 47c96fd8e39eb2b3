"""The files that start the application on a server; tests/container starts them."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_a_server_lets_the_application_have_many_connections():
    assert COMPOSE["app"]["ulimits"]["nofile"] == 65536
    assert "LimitNOFILE=65536" in (ROOT / "deploy" / "digits.service").read_text().splitlines()
