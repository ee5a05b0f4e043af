"""The start page and the page of a model in a real browser, on a phone and a desktop, in light and dark.

The fixture `page` fails a test in whose page the console has an error, such as a violation of the content security
policy.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy
from performance.snapshots.models import SnapshotDetail
from tests.browser.access import check_access, check_fit
from tests.browser.conftest import OWN_ADDRESS
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


@pytest.fixture
def site(live_server: Any, superuser: User, model: RegisteredModel) -> str:
    """Serve a model with a trend, whose newest version its gate refuses."""
    for number in range(418, 424):
        stored = snapshot(completed_version(model, number=number), metrics=EXAMPLE_METRICS, source="computed")
        interval = {"lower": 0.92, "upper": 0.95, "level": 0.95, "method": "wilson"}
        SnapshotDetail.objects.create(snapshot=stored, confidence_intervals={"accuracy": interval})
    document = {"dataset_split": "test", "rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.99}]}
    GatePolicy.objects.create(model=model, version=1, document=document)
    return str(live_server.url).replace("localhost", OWN_ADDRESS)


def test_start_and_model_page_fit_each_window_and_a_refused_promotion_says_why(admin: Page) -> None:
    admin.goto("/admin/")
    row = admin.get_by_role("region", name="Models").get_by_role("row").filter(has_text="churn")
    expect(row).to_contain_text("Accuracy 0.934")
    expect(row.get_by_role("img", name="Accuracy of 7 versions")).to_be_attached()
    line, organization = row.locator("polyline"), admin.get_by_role("columnheader", name="Organization")
    for width in _windows(admin):
        expect(organization).to_have_count(1 if width >= 1024 else 0)
        assert line.evaluate("line => line.getBoundingClientRect().width") > 90
        assert line.evaluate("line => getComputedStyle(line).stroke") != _ground(admin)
    check_access(admin)
    row.get_by_role("link", name="churn").press("Enter")

    chart = admin.get_by_role("img", name="Accuracy over versions")
    admin.get_by_text("Accuracy as a table").press("Enter")
    expect(admin.get_by_role("figure").filter(has=chart).get_by_role("row")).to_have_count(8)
    for region in ("In production", "Versions", "Promotions", "Rules"):
        expect(admin.get_by_role("region", name=region, exact=True).get_by_role("table")).to_be_visible()
    for _ in _windows(admin):
        box = chart.bounding_box()
        assert box is not None
        assert box["width"] > 200
    admin.get_by_role("region", name="Versions", exact=True).press("ArrowRight")
    admin.wait_for_function("document.activeElement.scrollLeft > 0")
    check_access(admin)

    admin.get_by_role("navigation", name="Actions").get_by_role("link", name="Promote ver-001a7").click()
    admin.get_by_label("Reason").fill("it is newer")
    check_fit(admin)
    expect(admin.get_by_role("region", name="Rules")).to_contain_text("failed")
    admin.get_by_role("checkbox", name="Override the gate").check()
    admin.get_by_role("button", name="Promote").click()
    expect(admin.get_by_text("ver-001a7 is promoted, against its gate.")).to_be_visible()


def _windows(page: Page) -> Iterator[int]:
    """Show a page on a desktop, a tablet and a phone, in light or dark, and yield the width."""
    for scheme, width in (("light", 1440), ("dark", 820), ("dark", 390)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        check_fit(page)
        yield width


def _ground(page: Page) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")
