"""The alert rules and the dashboard ask only for metrics that `/metrics` has."""

import json
from collections.abc import Callable, Iterator

import pytest
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import AggregateExpr, Expr, MatchOp, MatrixSelector, VectorSelector, parse, walk
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.jobs.heartbeat import Heartbeat
from tests.e2e.test_docs import source

ALERTS = yaml.safe_load(source("deploy/prometheus/alerts.yml"))["groups"][0]["rules"]
DASHBOARD = json.loads(source("deploy/grafana/dashboard.json"))
OF_PROMETHEUS = {"job", "instance"}  # labels that a scrape adds
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def expressions() -> Iterator[str]:
    """Yield the queries of the alert rules and of the dashboard, whose variables have a value."""
    yield from (rule["expr"] for rule in ALERTS)
    targets = (target for panel in DASHBOARD["panels"] for target in panel["targets"])
    yield from (target["expr"].replace("$__rate_interval", "5m").replace("$job", "registry") for target in targets)


def nodes(expression: str) -> list[Expr]:
    """Return the parts of a query. Raises `ValueError` if it is none."""
    found: list[Expr] = []
    walk(parse(expression), found.append)
    return found


@pytest.mark.usefixtures("rows_can_be_cleaned_up")
@pytest.mark.django_db(transaction=True)
def test_each_query_asks_for_metrics_and_labels_that_are_there(
    settings: Settings, model: RegisteredModel, editor: User, as_user: Callable[..., Client]
) -> None:
    settings.METRICS_TOKEN = token = "a token of more than thirty-two bytes"
    Heartbeat().report()
    as_user(editor).get(f"/api/v1/models/{model.pk}/performance/summary")
    scraped = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"}).content.decode()
    families = list(text_string_to_metric_families(scraped))
    names = {f"{family.name}{suffix}" for family in families for suffix in SUFFIXES.get(family.type, ())} | {"up"}
    labels = {label for family in families for sample in family.samples for label in sample.labels.items()}

    for expression in expressions():
        for node in nodes(expression):
            selector = node.vector_selector if isinstance(node, MatrixSelector) else node
            if isinstance(selector, VectorSelector):
                assert selector.name in names, expression
                exact = [each for each in selector.matchers.matchers if each.op == MatchOp.Equal]
                assert {(each.name, each.value) for each in exact if each.name not in OF_PROMETHEUS} <= labels
            if isinstance(node, AggregateExpr) and node.modifier:
                known = OF_PROMETHEUS | {name for name, _ in labels} | {"occasion", "code"}  # of what has not happened
                assert set(node.modifier.labels) <= known, expression


def test_each_alert_says_what_is_wrong_and_what_to_do_and_is_documented() -> None:
    guide = source("docs/how-to/operate.md")

    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity"}
        assert all(rule["annotations"][name].endswith(".") for name in ("summary", "description"))
        assert f"| `{rule['alert']}` |" in guide


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        where = panel["gridPos"]
        own = {(where["x"] + x, where["y"] + y) for x in range(where["w"]) for y in range(where["h"])}
        assert max(x for x, _ in own) < 24
        assert not own & cells
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
