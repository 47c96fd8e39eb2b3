"""The files that start the application on a server; tests/container starts them."""

from pathlib import Path

import yaml

from mnist.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_a_server_lets_the_application_have_many_connections():
    assert COMPOSE["app"]["ulimits"]["nofile"] == 65536
    assert "LimitNOFILE=65536" in (ROOT / "deploy" / "digits.service").read_text().splitlines()


def test_whoever_stops_the_application_waits_for_an_upload_that_is_under_way():
    kubernetes = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "app.yaml").read_text())
    [deployment] = [each for each in kubernetes if each["kind"] == "Deployment"]
    longest = Settings.from_environment({}).upload_seconds

    assert int(COMPOSE["app"]["stop_grace_period"].removesuffix("s")) > longest
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > longest


def test_the_proxy_compresses_the_pages_scripts():
    assert "\tencode zstd gzip" in (ROOT / "deploy" / "Caddyfile").read_text().splitlines()
