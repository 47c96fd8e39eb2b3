"""The documentation's examples for the terminal, run as they are pasted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import running_app

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = (ROOT / "docs" / "api.md").read_text()


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize("example", [each for each in examples("bash") if "$API_KEY" not in each])
def test_a_curl_example_works_as_pasted(server, example):
    assert "http://localhost:8501" in example
    pasted = example.replace("http://localhost:8501", server[0]).replace("curl ", "curl --fail --silent --show-error ")

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", pasted], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert '"digit":7' in done.stdout or '"id":' in done.stdout


def test_the_curl_example_with_a_key_works_as_pasted(tmp_path, sqlite_url):
    [example] = [each for each in examples("bash") if "$API_KEY" in each]
    with running_app(sqlite_url, tmp_path / "log", API_KEY="a secret") as address:
        pasted = example.replace("http://localhost:8501", address).replace("curl ", "curl --silent ")
        right, wrong = (
            subprocess.run(
                ["bash", "-c", f"API_KEY='{key}'; {pasted}"], cwd=ROOT, capture_output=True, text=True
            ).stdout
            for key in ("a secret", "another")
        )

    assert '"digit":7' in right
    assert "API key" in wrong


def test_the_python_example_works_as_pasted(server):
    [example] = examples("python")
    pasted = example.replace("http://localhost:8501", server[0])

    done = subprocess.run([sys.executable, "-c", pasted], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    first, batch, version = done.stdout.splitlines()
    assert first.startswith("7 0.9")
    assert (batch, version) == ("[7, 7, 7]", "1")


def client(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "examples/client.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_client_reads_pictures_and_says_where_each_digit_stands(server):
    done = client("--url", server[0], "--boxes", "--label", "7", "docs/images/seven.png", "docs/images/seven.png")

    assert done.returncode == 0, done.stderr
    first, box, second, _ = done.stdout.splitlines()
    assert first == second
    assert re.fullmatch(r"docs/images/seven.png: digit +7 +9\d\.\d%|docs/images/seven.png: digit +7 +100\.0%", first)
    assert re.fullmatch(r" +left 0\.\d+, top 0\.\d+, width 0\.\d+, height 0\.\d+ of the picture", box)


def test_the_client_says_what_is_wrong(server, tmp_path):
    (tmp_path / "no-picture.png").write_text("no picture")

    refused = client("--url", server[0], str(tmp_path / "no-picture.png"))
    nobody = client("--url", "http://127.0.0.1:9", "docs/images/seven.png")

    assert (refused.returncode, nobody.returncode) == (1, 1)
    assert "PNG" in refused.stderr
    assert "127.0.0.1" in nobody.stderr
    assert "Traceback" not in refused.stderr + nobody.stderr


def test_the_component_is_as_short_as_it_says():
    assert len((ROOT / "examples" / "digit-canvas.js").read_text().splitlines()) < 100


def test_the_web_page_is_as_short_as_it_says():
    [page] = examples("html")

    assert len(page.splitlines()) <= 22


def test_every_status_of_the_contract_and_every_metric_is_documented():
    for status in (400, 401, 404, 409, 413, 415, 422, 429, 503):
        assert f"| {status} |" in DOCUMENT
    source = (ROOT / "mnist" / "metrics.py").read_text()
    for name in re.findall(r'"(mnist_\w+)"', source):
        assert f"`{name}" in DOCUMENT
