"""The comparison pages in a real browser: on a phone and on a desktop, in light and in dark."""

from itertools import product
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.comparisons.models import PairedComparison
from performance.evaluations.models import MisclassifiedExample
from performance.metrics.paired.paired_join import METHODS
from performance.snapshots.models import MetricSnapshot, SnapshotDetail, SnapshotSlice
from tests.browser.access import check_access, check_fit
from tests.browser.conftest import OWN_ADDRESS
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

DIGEST = "d" * 64
LABELS = [f"a class with a long name {number:02}" for number in range(12)]
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


@pytest.fixture
def site(live_server: Any, superuser: User, model: RegisteredModel) -> str:
    """Two versions that were compared example by example, one with other options, and a server that shows them."""
    older, newer = (_evaluated(completed_version(model, number), 0.9 + number / 100) for number in (1, 2))
    _evaluated(completed_version(model, 3), 0.99, threshold=0.3)
    ends = {"lower": 0.001, "upper": 0.02, "level": 0.95, "method": "paired_wilson"}
    PairedComparison.objects.create(snapshot=newer, baseline=older, intervals={"accuracy": ends}, methods=METHODS)
    return str(live_server.url).replace("localhost", OWN_ADDRESS)


def _evaluated(version: Any, accuracy: float, threshold: float = 0.5) -> MetricSnapshot:
    stored = snapshot(version, metrics={**EXAMPLE_METRICS, "accuracy": accuracy}, source="computed")
    SnapshotDetail.objects.create(
        snapshot=stored,
        curves=golden("curves")["curves"],
        confusion_matrix={"labels": LABELS, "counts": [[1] * len(LABELS)] * len(LABELS)},
        confidence_intervals={
            "accuracy": {"lower": accuracy - 0.02, "upper": accuracy + 0.02, "level": 0.95, "method": "wilson"}
        },
        examples_digest=DIGEST,
        predictions_digest=str(version.number) * 64,
        misclassified_count=1,
        warnings=[{"code": "few_examples", "detail": "There are few examples."}],
        evaluation_options={"threshold": threshold},
        intervals_unavailable={"recall": "There are too few examples of the class."},
    )
    MisclassifiedExample.objects.create(
        snapshot=stored, rank=1, example_id=f"example-{version.number}", actual=LABELS[0], predicted=LABELS[1]
    )
    SnapshotSlice.objects.create(
        snapshot=stored, attribute="region", position=1, value="n" * 200, sample_count=9, metrics={"accuracy": accuracy}
    )
    return stored


def test_the_pages_fit_each_screen_and_are_used_by_keyboard(admin: Page, model: RegisteredModel) -> None:
    newer = MetricSnapshot.objects.get(version__number=2)
    compare = reverse("admin:models_registry_registeredmodel_compare", args=[model.pk])
    pages = {
        f"{compare}?version_id=ver-00002&baseline_version_id=ver-00001&dataset_split=test": "Differences",
        f"/admin/performance/leaderboard/{DIGEST}/": "Leaderboard",
        reverse("admin:performance_metricsnapshot_change", args=[newer.pk]): "Worst examples",
    }
    grounds = set()
    for address, region in pages.items():
        answer = admin.goto(address)
        assert answer is not None
        assert "script-src 'self' 'unsafe-eval'" in answer.headers["content-security-policy"]
        expect(admin.get_by_role("region", name=region, exact=True)).to_be_visible()
        for width, scheme in product(WIDTHS, SCHEMES):
            admin.set_viewport_size({"width": width, "height": 900})
            admin.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            check_fit(admin)
            grounds.add(admin.evaluate("getComputedStyle(document.querySelector('#main')).backgroundColor"))
        check_access(admin, "#main")  # the sidebar is that of the start page
    assert len(grounds) == 2
    expect(admin.locator("#examples")).to_contain_text("example-2")
    expect(admin.locator("#metrics")).to_contain_text("There are too few examples of the class.")
    expect(admin.locator("#warnings")).to_contain_text("There are few examples.")

    admin.goto([*pages][1])
    rows = admin.get_by_role("region", name="Leaderboard", exact=True).get_by_role("row")
    expect(rows.nth(3)).to_contain_text("not ranked")
    expect(rows.nth(3)).to_contain_text("at the threshold 0.3")
    admin.get_by_role("link", name="at the threshold 0.3 (1 version)").focus()
    admin.keyboard.press("Enter")
    expect(rows.nth(1)).to_contain_text("ver-00003")
    expect(rows.nth(2)).to_contain_text("not ranked")

    admin.goto(next(iter(pages)))
    plot = admin.get_by_role("figure").filter(has_text="Differences and their intervals")
    expect(plot.get_by_role("img", name="Accuracy improved: +0.010, 95% interval +0.001 to +0.020")).to_be_visible()
    expect(admin.get_by_role("img", name="ROC curve of yes", exact=True).locator("polyline")).to_have_count(2)
    expect(admin.get_by_role("main")).to_have_count(1)
    expect(admin.locator(".examples").first).to_contain_text("example-1")
    details = admin.get_by_text("ROC curve of yes in numbers").first
    details.focus()
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("region", name="ROC curve of yes in numbers")).to_be_visible()
    admin.get_by_role("region", name="Difference of the confusion matrices").focus()
    admin.get_by_label("Metric of the slices").fill("recall")
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("region", name="Recall by region")).to_be_visible()
