"""The files that start the application on a server; tests/container starts them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from mnist.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def test_the_application_may_have_as_many_connections_as_the_machine_allows():
    """With a number in compose `up` fails where the daemon allows less; the application raises its own limit."""
    assert "ulimits" not in COMPOSE["app"]
    assert "LimitNOFILE=65536" in (ROOT / "deploy" / "digits.service").read_text().splitlines()


def settings_of_the_application() -> set[str]:
    """Those that .env.example lists before its part about docker-compose."""
    ours, _, _ = (ROOT / ".env.example").read_text().partition("# --- docker-compose")
    return set(re.findall(r"^#([A-Z_]+)=", ours, re.MULTILINE))


def test_the_container_gets_every_setting_of_the_application_and_nothing_else():
    passed = COMPOSE["app"]["environment"]

    assert "env_file" not in COMPOSE["app"]
    assert settings_of_the_application() - {"PENDIGITS_DIR"} <= passed.keys()  # that one is for train.py only
    alone = {"DB_PASSWORD", "DOMAIN", "FORWARDED_ALLOW_IPS", "STREAMLIT_SERVER_MAX_UPLOAD_SIZE"}
    assert passed.keys() - settings_of_the_application() == alone


def test_what_caddy_announces_is_published():
    assert {"443:443", "443:443/udp"} <= set(COMPOSE["caddy"]["ports"])


def test_every_lasting_service_has_a_health_check():
    in_its_image = {"app", "retrain-schedule"}
    lasting = {name for name, each in COMPOSE.items() if each["restart"] != "no"} - in_its_image

    assert [name for name in sorted(lasting) if "healthcheck" not in COMPOSE[name]] == []


def test_ipv6_visitors_keep_their_addresses():
    """tests/container sees the address itself, on an engine that can."""
    networks = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]

    assert networks["edge"]["enable_ipv6"] is True
    # Caddy's ports are published in the first of its networks by name, and the application is not in that one.
    assert sorted(COMPOSE["caddy"]["networks"])[0] == "edge"
    assert "edge" not in COMPOSE["app"]["networks"]


def test_whoever_stops_the_application_waits_for_an_upload_that_is_under_way():
    kubernetes = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "app.yaml").read_text())
    [deployment] = [each for each in kubernetes if each["kind"] == "Deployment"]
    longest = Settings.from_environment({}).upload_seconds

    assert int(COMPOSE["app"]["stop_grace_period"].removesuffix("s")) > longest
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > longest


def test_the_proxy_compresses_the_pages_scripts():
    assert "\tencode zstd gzip" in (ROOT / "deploy" / "Caddyfile").read_text().splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd's tools")
def test_the_unit_may_do_little():
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "deploy/digits.service"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout

    assert float(re.findall(r"exposure level for digits.service: ([\d.]+)", said)[0]) <= 2.5


def test_the_proxy_ends_requests_that_do_not_end():
    caddy = (ROOT / "deploy" / "Caddyfile").read_text()

    assert re.findall(r"\t(read_header|read_body|idle) \d+[sm]\n", caddy) == ["read_header", "read_body", "idle"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_images_are_pinned_by_an_override_as_the_document_says(tmp_path):
    text = (ROOT / "docs" / "deployment.md").read_text()
    [pins] = re.findall(r"^    services:\n(?:^      .*\n)+", text, re.MULTILINE)
    (tmp_path / "docker-compose.yml").write_text((ROOT / "docker-compose.yml").read_text())
    (tmp_path / "docker-compose.override.yml").write_text(
        pins.replace("…", "ab" * 32).replace("\n    ", "\n").removeprefix("    ")
    )
    (tmp_path / ".env").write_text("DB_PASSWORD=x\nCOMPOSE_PROFILES=https,backup\n")

    done = subprocess.run(["docker-compose", "config"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    for name, image in (("db", "postgres"), ("backup", "postgres"), ("caddy", "caddy")):
        assert services[name]["image"] == f"{image}@sha256:{'ab' * 32}"
    assert services["db"]["networks"]
