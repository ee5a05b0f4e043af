"""`GET …/versions/{version_id}/model-card`, and `manage.py model_card`."""

import re
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from huggingface_hub import ModelCard

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from performance.gates.models import GatePolicy
from performance.snapshots.models import SnapshotDetail, SnapshotSlice
from tests.admin_pages import logged_in, page_url
from tests.api import Caller, refusal
from tests.factories import EVALUATED_AT, EXAMPLE_METRICS, snapshot

pytestmark = pytest.mark.django_db
CARD = "/models/mdl-7f3a19bc92/versions/ver-001a1/model-card"
HOSTILE = "<script>alert(1)</script>|x\n# [a](javascript:b)\n---\n@everyone"
INTERVAL = {"lower": 0.92, "upper": 0.95, "method": "wilson", "level": 0.95}
RULE = {"metric": "accuracy", "operator": ">=", "threshold": 0.95}


@pytest.fixture
def version(model: RegisteredModel) -> Version:
    """A version with hostile texts wherever one may write, two snapshots of a named test set, and a gate it fails."""
    RegisteredModel.objects.update(description=HOSTILE, tags=[HOSTILE])
    version: Version = model.versions.get(number=417)
    Version.objects.filter(pk=version.pk).update(parameters={"depth": 7, "layers": [1, 2], HOSTILE: "x" * 500})
    older = snapshot(
        version, metrics={"accuracy": 0.1}, dataset="october", evaluated_at=EVALUATED_AT.replace(year=2025)
    )
    newest = snapshot(version, metrics=EXAMPLE_METRICS, dataset="october", source="computed")
    assert older.pk < newest.pk
    SnapshotDetail.objects.create(
        snapshot=newest,
        custom_metrics={"latency_ms": 12.5},
        confidence_intervals={"accuracy": INTERVAL},
        intervals_unavailable={"log_loss": "There are too few examples."},
        per_class={HOSTILE: {"recall": 0.5}},
        warnings=[{"code": "missing_predictions", "detail": "3 rows have no prediction."}],
        dataset_version="2",
        examples_digest="d" * 64,
    )
    for position in range(1, 13):
        metrics = {"accuracy": position / 20}
        SnapshotSlice.objects.create(
            snapshot=newest,
            attribute="country",
            position=position,
            value=f"c{position}",
            sample_count=9,
            metrics=metrics,
        )
    document = {"dataset_split": "test", "dataset": "october", "rules": [RULE]}
    GatePolicy.objects.create(model=model, version=1, document=document)
    return version


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_card_says_what_a_version_is_and_how_well_it_does(version: Version, viewer: User) -> None:
    answer = Caller(viewer).get(CARD)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/markdown; charset=utf-8")
    text = answer.content.decode()
    for part in (
        "# churn ver-001a1",
        "- **Organization:** Acme",
        "## Performance on test, october",
        "| Accuracy | 0.9341 | 0.92 to 0.95 \\(95%\\) |",
        "| latency_ms | 12.5 |",
        "- 3 rows have no prediction.",
        "### Remarks",
        "- Log loss\\: no interval. There are too few examples.",
        "ver-001a1 fails 1 of 1 rule.",
        "| layers | \\[1, 2\\] |",
        f"{'x' * 200}…",
        "2 more slices, which are better in the first metric, are not shown.",
    ):
        assert part in text
    assert text.index("| c1 |") < text.index("| c10 |")  # the worst come first
    assert "| c11 |" not in text
    assert "0.1 |" not in text.split("### Slices")[0]  # of the older snapshot
    assert "<script>" not in text.split("\n---\n", 1)[1].replace("\\<script>", "")
    assert "\n# \\[a" not in text


def test_a_card_carries_metadata_that_the_hugging_face_hub_reads(version: Version, viewer: User) -> None:
    data: Any = ModelCard(Caller(viewer).get(CARD).content.decode()).data
    assert (data.model_name, data.tags) == ("churn ver-001a1", [HOSTILE])
    results = {each.metric_type: each for each in data.eval_results or []}
    assert {name: results[name].metric_value for name in EXAMPLE_METRICS} == EXAMPLE_METRICS
    accuracy = results["accuracy"]
    assert (accuracy.task_type, accuracy.dataset_name, accuracy.dataset_split, accuracy.dataset_revision) == (
        "classification",
        "october",
        "test",
        "2",
    )
    assert results["latency_ms"].metric_value == 12.5


def test_a_card_comes_as_a_page_by_accept_or_format(version: Version, viewer: User) -> None:
    caller = Caller(viewer)
    answer = caller.get(CARD, {"format": "html"})
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert caller.get(CARD, Accept="text/html, */*;q=0.1").content == answer.content
    page = Page(answer.content.decode())
    assert "script" not in page.tags
    assert {"main", "h1", "h2", "table", "dl"} <= {*page.tags}
    assert page.tags.count("main") == 1
    assert HOSTILE in page.text
    assert caller.get(CARD, {"format": "html"}, **{"If-None-Match": answer["ETag"]}).status_code == 304
    assert refusal(caller.get(CARD, {"format": "pdf"})) == (400, "invalid_parameter")
    assert refusal(caller.get(CARD.replace("1a1", "fff"))) == (404, "version_not_found")


def test_the_card_of_a_version_in_training_has_neither_metrics_nor_gate(model: RegisteredModel, viewer: User) -> None:
    Version.objects.create(model=model, number=9)
    text = Caller(viewer).get(CARD.replace("001a1", "00009")).content.decode()
    assert "- **State:** training" in text
    assert "## Performance" not in text
    assert "## Gate" not in text
    data: Any = ModelCard(text).data
    assert not data.eval_results


def test_the_command_prints_the_same_card(version: Version, viewer: User) -> None:
    output = StringIO()
    call_command("model_card", "mdl-7f3a19bc92", "ver-001a1", "--format", "html", stdout=output)
    assert output.getvalue().strip() == Caller(viewer).get(CARD, {"format": "html"}).content.decode().strip()
    with pytest.raises(CommandError, match="There is no model mdl-0"):
        call_command("model_card", "mdl-0", "ver-001a1")


def test_the_admin_shows_and_saves_the_same_card_to_those_who_may_read_the_version(
    version: Version, viewer: User, outsider: User
) -> None:
    address = page_url(version)
    client = logged_in(viewer)
    links = re.findall(r'href="([^"]*/model-card/[^"]*)"', client.get(address).content.decode())
    shown, saved = (client.get(link) for link in links)
    assert shown.content == Caller(viewer).get(CARD, {"format": "html"}).content
    assert saved.content == Caller(viewer).get(CARD).content
    assert saved["Content-Disposition"] == 'attachment; filename="mdl-7f3a19bc92-ver-001a1.md"'
    overview = client.get(f"/admin/models_registry/registeredmodel/{version.model_id}/overview/")
    assert links[0] in overview.content.decode()
    stranger = logged_in(outsider)
    assert [stranger.get(link).status_code for link in (links[0], links[0].replace("html", "pdf"))] == [404, 404]
