"""The Helm chart and the systemd units: they agree with the image, and give nothing more rights than it needs."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from typing import Any

import jsonschema_rs
import pytest
import yaml

from config.env.variables import VARIABLES
from tests.serving import ROOT

CHART, UNITS = ROOT / "deploy" / "helm", ROOT / "deploy" / "systemd"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return parser


def image_command() -> list[str]:
    [line] = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")]
    command: list[str] = json.loads(line.removeprefix("CMD "))
    return command


def rendered(*options: str) -> list[dict[str, Any]]:
    """Return the objects that Helm makes of the chart."""
    helm = os.environ.get("HELM") or shutil.which("helm")
    if not helm:
        pytest.skip("There is no helm: put it on the path, or its path into HELM, to render the chart.")
    command = [helm, "template", "release", str(CHART), "--kube-version", "1.30.0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(ended.stdout) if document]


def test_the_values_keep_to_their_schema_and_name_variables_of_the_service() -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(VALUES)
    assert VALUES["config"].keys() <= {variable.name for variable in VARIABLES}


def is_value(name: str, text: str) -> bool:
    """Return whether the chart accepts a variable among its values, from which it makes a ConfigMap."""
    values = {**VALUES, "config": {**VALUES["config"], name: text}}
    return jsonschema_rs.validator_for(SCHEMA).is_valid(values)


def test_no_secret_is_a_value() -> None:
    names = ("SECRET_KEY", "DATABASE_URL", "DATABASE_REPLICA_URLS", "OIDC_LOGIN_CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY")
    assert not [name for name in names if is_value(name, "x")]
    urls = (
        ("CACHE_URL", "rediss://:password@redis:6379/0"),
        ("CACHE_URL", "redis://default:pa/ss@redis:6379/0"),
        ("CACHE_URL", "redis://redis:6379/0?db=1&password=password"),
        ("EMAIL_URL", "smtp+tls://registry:password@mail.example.com:587"),
        ("STORAGE_URL", "s3://bucket/prefix?endpoint_url=https://user:password@minio:9000"),
    )
    assert not [(name, url) for name, url in urls if is_value(name, url)]


def test_what_is_not_secret_may_be_a_value() -> None:
    names = {"SECRET_KEY", "JWT_SIGNING_KEY", "DATABASE_URL", "DATABASE_REPLICA_URLS", "METRICS_TOKEN", "DEBUG"}
    examples = {each.name: each.example for each in VARIABLES}
    refused = {name for name, example in examples.items() if not is_value(name, example)}
    assert refused == names | {"OIDC_LOGIN_CLIENT_SECRET", "EMAIL_URL"}  # the example of the last one has a password
    assert is_value("EMAIL_URL", "smtp://mail.example.com:25")


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]
    assert chart["version"].replace("-", ".") == project["version"]


@pytest.mark.parametrize("options", [[], ["--set", "persistence.enabled=false,ingress.enabled=false"]])
def test_each_container_is_confined_and_only_migrations_own_the_tables(options: list[str]) -> None:
    templates = []
    for each in rendered(*options):
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        templates += [spec["template"]["spec"]] if "template" in spec else []
    containers = [container for template in templates for container in template["containers"]]

    assert sorted(each["name"] for each in containers) == ["migrate", "proxy", "purge", "web", "worker"]
    for template in templates:
        assert template["securityContext"]["runAsNonRoot"] is True
        assert template["automountServiceAccountToken"] is False
    for each in containers:
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert each["resources"]["limits"]["memory"]
        secrets = [source["secretRef"]["name"] for source in each.get("envFrom", []) if "secretRef" in source]
        assert ("registry-owner" in secrets) == (each["name"] == "migrate")


def test_a_rollback_restores_the_variables_and_undoes_no_migrations() -> None:
    hooks = {
        name: re.findall("helm.sh/hook: (.*)", (CHART / "templates" / f"{name}.yaml").read_text())
        for name in ("config", "migrate")
    }

    assert hooks == {"config": ["pre-install,pre-upgrade,pre-rollback"], "migrate": ["pre-install,pre-upgrade"]}


@pytest.mark.parametrize(
    ("hosts", "host"), [("a.example.com,b", "a.example.com"), (".example.com", "example.com"), ("*", "localhost")]
)
def test_probes_name_a_host_that_the_service_answers_for(hosts: str, host: str) -> None:
    objects = rendered("--set-string", "config.ALLOWED_HOSTS=" + hosts.replace(",", r"\,"))
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment"]
    [container] = [each for pod in pods for each in pod["containers"] if each["name"] == "web"]

    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": host}]


def test_the_units_run_what_the_image_runs_with_the_same_rights() -> None:
    web = unit("registry-web.service")
    options = shlex.split(web["Service"]["ExecStart"])[1:]
    assert [each.replace("127.0.0.1", "0.0.0.0") for each in options] == image_command()[1:]  # noqa: S104
    worker = shlex.split(unit("registry-worker.service")["Service"]["ExecStart"])
    assert worker[1:] == ["manage.py", "worker"]
    own = {"Type", "Environment", "ExecStart", "ExecReload", "KillMode", "MemoryMax", "TasksMax"}
    own |= {"Restart", "RestartSec", "TimeoutStopSec"}
    rights = [{**unit(file.name)["Service"]} for file in UNITS.glob("*.service")]
    same = [{name: value for name, value in each.items() if name not in own} for each in rights]
    assert len(same) == 3
    assert all(each == same[0] for each in same)
    assert same[0]["NoNewPrivileges"] == "yes"
