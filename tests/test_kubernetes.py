"""deploy/kubernetes: schemas of Kubernetes' own, and what the manifests promise. No cluster: none runs here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import mnist
from tests.test_deployment import settings_of_the_application

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
COMPONENTS_OF_THEIR_OWN = (
    "traefik.io/",
    "gateway.networking.k8s.io/",
    "monitoring.coreos.com/",
    "kustomize.config.k8s.io/",
)


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """All by file and "Kind/name"."""
    found = {}
    for file in FOLDER.rglob("*.yaml"):
        for each in yaml.safe_load_all(file.read_text()):
            name = each.get("metadata", {}).get("name", "")
            found[str(file.relative_to(FOLDER)), f"{each['kind']}/{name}"] = each
    return found


MANIFESTS = manifests()


def pods() -> dict[str, dict[str, Any]]:
    """Each pod's template, by the kind and name of what makes it."""
    found = {}
    for (_, name), each in MANIFESTS.items():
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            found[name] = spec["template"]
    return found


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_understands_every_manifest(version):
    try:
        import kubernetes_validate
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("pip install -r requirements-dev.txt")
    ours = [each for each in MANIFESTS.values() if not each["apiVersion"].startswith(COMPONENTS_OF_THEIR_OWN)]

    assert len(ours) >= 20
    for each in ours:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is in none of the registries that CI reaches")
@pytest.mark.parametrize("front", ["traefik", "gateway", "ingress-nginx"])
def test_kustomize_builds_it(tmp_path, front):
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    folder = tmp_path / "kubernetes"
    for name in ("database.env", "application.env"):
        shutil.copy(folder / f"{name}.example", folder / name)
    file = folder / "kustomization.yaml"
    file.write_text(re.sub(r"^  - traefik", f"  - {front}", file.read_text(), flags=re.MULTILINE))

    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    built = {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(done.stdout)}
    assert all(each["metadata"].get("namespace", "mnist-digits") == "mnist-digits" for each in built.values())
    [settings] = [name.partition("/")[2] for name in built if name.startswith("ConfigMap/settings-")]
    [container] = built["Deployment/app"]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": settings}}]  # its hash: a change restarts the pods


def test_every_setting_that_is_no_secret_has_its_default():
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    lines = (FOLDER / "settings.env").read_text().splitlines()
    ours = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    differ = {"DB_HOST", "DB_USER", "MNIST_DIR", "REQUEST_LOG"}

    assert (
        settings_of_the_application() - {"PENDIGITS_DIR", "DATABASE_URL", "ADMIN_PASSWORD", "API_KEY", "METRICS_TOKEN"}
        <= ours.keys()
    )
    assert {name: ours[name] for name in ours.keys() & shown.keys() - differ} == {
        name: shown[name] for name in ours.keys() & shown.keys() - differ
    }


def test_a_pod_gets_single_secrets_and_no_more():
    for name, template in pods().items():
        [container] = template["spec"]["containers"]
        assert not any("secretRef" in each for each in container.get("envFrom", [])), name
    [database] = pods()["StatefulSet/postgres"]["spec"]["containers"]
    keys = [each["valueFrom"]["secretKeyRef"] for each in database["env"] if "valueFrom" in each]
    assert keys == [{"name": "database", "key": "POSTGRES_PASSWORD"}]


def test_every_connection_is_closed_unless_a_policy_opens_it():
    policies = {
        each["metadata"]["name"]: each["spec"] for (_, name), each in MANIFESTS.items() if "NetworkPolicy/" in name
    }

    assert policies["closed"]["podSelector"] == {}
    assert policies["closed"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["closed"]
    clients = {name for name, template in pods().items() if template["metadata"]["labels"].get("database") == "allowed"}
    assert clients == {"Deployment/app", "CronJob/retrain", "CronJob/backup"}


def test_jobs_end():
    for (_, name), each in MANIFESTS.items():
        if name.startswith("CronJob/"):
            assert each["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0, name
            assert each["spec"]["startingDeadlineSeconds"] > 0, name


@pytest.mark.parametrize(("code", "told"), [(0, 0), (1, 1), (3, 0), (4, 4)])
def test_a_rejected_candidate_is_no_failed_job(tmp_path, code, told):
    [container] = pods()["CronJob/retrain"]["spec"]["containers"]
    shell, option, script = container["command"]
    (tmp_path / "python").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "python").chmod(0o755)
    message = tmp_path / "message"
    script = script.replace("/dev/termination-log", str(message))

    done = subprocess.run([shell, option, script], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    assert done.returncode == told
    assert message.exists() == (code == 3)


def test_the_operator_has_the_rules_of_prometheus():
    ours = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())

    assert MANIFESTS["monitoring/rules.yaml", "PrometheusRule/app"]["spec"] == ours
    [endpoint] = MANIFESTS["monitoring/servicemonitor.yaml", "ServiceMonitor/app"]["spec"]["endpoints"]
    assert {"targetLabel": "job", "replacement": "mnist"} in endpoint["relabelings"]


def test_the_image_is_that_of_this_version():
    [image] = MANIFESTS["kustomization.yaml", "Kustomization/"]["images"]

    assert image["newTag"] == mnist.__version__
