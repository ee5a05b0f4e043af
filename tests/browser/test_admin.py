"""Browsing the admin in a real browser."""

import re
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.tokens.models import PersonalToken
from performance.evaluations.models import EvaluationJob
from performance.gates.models import GatePolicy
from performance.snapshots.models import SnapshotDetail
from tests.admin_pages import add_url, page_url
from tests.browser.access import check_fit
from tests.conftest import golden
from tests.factories import EXAMPLE_METRICS, completed_version, snapshot

LABELS = [f"class {number:02}" for number in range(30)]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


@pytest.fixture
def site(live_server: Any, superuser: User, model: RegisteredModel, empty_model: RegisteredModel) -> str:
    """Two models, one with snapshots of a promoted and of a newer version, and a server that shows them."""
    newer = completed_version(model, number=418)
    evaluated = snapshot(newer, metrics={**EXAMPLE_METRICS, "accuracy": 0.5}, source="computed")
    snapshot(newer, metrics={"accuracy": 0.6}, dataset_split="validation")
    Version.objects.create(model=model, number=419)
    SnapshotDetail.objects.create(
        snapshot=evaluated,
        curves=golden("curves")["curves"],
        confusion_matrix={"labels": LABELS, "counts": [[1] * len(LABELS)] * len(LABELS)},
        per_class={label: {"support": float(len(LABELS))} for label in LABELS},
        confidence_intervals={"accuracy": {"lower": 0.45, "upper": 0.55, "level": 0.95, "method": "wilson"}},
    )
    return str(live_server.url).replace("localhost", "127.0.0.1")


def follow(page: Page, name: str) -> None:
    """Click a link of the sidebar."""
    page.locator("#nav-sidebar-apps").get_by_role("link", name=name).click()


def test_a_wrong_password_is_refused_in_words(page: Page) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Please enter the correct username and password")).to_be_visible()


def test_from_the_models_one_gets_to_the_metrics_of_the_promoted_version(admin: Page) -> None:
    follow(admin, "Models")
    expect(admin.locator("#result_list")).to_contain_text("training")
    admin.get_by_role("link", name="churn").click()
    promoted = admin.locator("#versions-data tbody").filter(has_text="promoted")
    expect(promoted).to_have_count(1)
    promoted.get_by_role("link", name="ver-001a1").click()
    admin.get_by_role("link", name="test at 2026-03-13 14:22").click()
    metrics = admin.locator("#metrics")
    expect(metrics.locator("tbody tr")).to_have_count(6)
    expect(metrics.locator("tbody tr").nth(0)).to_contain_text("0.9341")
    expect(metrics.locator("tbody tr").nth(0)).to_contain_text("higher is better")
    expect(metrics.locator("tbody tr").nth(5)).to_contain_text("lower is better")
    expect(admin.get_by_text("promoted", exact=True)).to_be_visible()
    admin.get_by_role("link", name="churn", exact=True).click()
    expect(admin).to_have_url(re.compile("mdl-7f3a19bc92/change/$"))


def test_an_evaluation_is_drawn_in_light_and_dark_with_the_classes_in_its_legend(admin: Page) -> None:
    follow(admin, "Snapshots")
    row = admin.locator("#result_list tbody").filter(has_text="Accuracy 0.500")
    row.get_by_role("link").first.click()
    for scheme in ("light", "dark"):
        admin.emulate_media(color_scheme=scheme)
        for name in ("ROC curve", "Precision-recall curve", "Calibration", "Accuracy 0.5, 95% interval 0.45 to 0.55"):
            chart = admin.get_by_role("img", name=name, exact=True)
            expect(chart).to_be_visible()
            box = chart.bounding_box()
            assert box is not None
            assert box["width"] > 200
        curve = admin.get_by_role("img", name="ROC curve").locator("polyline")
        assert curve.bounding_box() is not None
        colour, ground = (
            admin.evaluate(f"getComputedStyle(document.querySelector({selector!r})).{what}")
            for selector, what in (("#charts polyline", "stroke"), ("body", "backgroundColor"))
        )
        assert colour != ground
    figure = admin.get_by_role("figure").filter(has=admin.get_by_role("img", name="ROC curve", exact=True))
    expect(figure.get_by_role("list", name="Classes").get_by_role("listitem")).to_have_text(["yes"])
    assert figure.get_by_role("img").get_attribute("aria-describedby") == figure.locator("desc").get_attribute("id")


def test_tables_of_many_classes_scroll_by_themselves_and_with_the_keyboard(admin: Page) -> None:
    follow(admin, "Snapshots")
    admin.locator("#result_list tbody").filter(has_text="Accuracy 0.500").get_by_role("link").first.click()
    table = admin.get_by_role("region", name="Confusion matrix").get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_count(31)
    expect(table.get_by_role("rowheader")).to_have_count(30)
    for width in (1280, 390):
        admin.set_viewport_size({"width": width, "height": 900})
        for name in ("Confusion matrix", "Classes"):
            region = admin.get_by_role("region", name=name)
            region.focus()
            admin.keyboard.press("End")
            admin.wait_for_function("document.activeElement.scrollTop > 0")
            admin.keyboard.press("Home")
            admin.wait_for_function("document.activeElement.scrollTop === 0")
        check_fit(admin)


def test_forms_and_long_words_fit_a_phone(admin: Page, model: RegisteredModel) -> None:
    version = model.versions.get(number=418)
    job = EvaluationJob.objects.create(version=version, dataset_split="test", digest="d" * 64)
    admin.set_viewport_size({"width": 390, "height": 844})
    for address in (page_url(job), add_url(GatePolicy)):
        admin.goto(address)
        check_fit(admin)
    admin.goto(add_url(PersonalToken))
    admin.get_by_label("Name").fill("laptop")
    admin.get_by_label("model:read").check()
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("The token, which is not shown again: ")).to_be_visible()
    check_fit(admin)

    admin.goto(add_url(GatePolicy))
    admin.get_by_role("link", name="fill in a form").click()
    expect(admin).to_have_url(re.compile("gatepolicy/form/$"))

    admin.goto(f"{reverse('admin:performance_gatepolicy_form')}?model={model.pk}")
    metric = admin.get_by_role("combobox", name="Metric").first
    metric.fill("mean_absolute_error")
    assert metric.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_the_snapshots_are_filtered_in_the_sheet_and_searched_by_version_id(admin: Page) -> None:
    follow(admin, "Snapshots")
    expect(admin.locator("#result_list tbody")).to_have_count(3)
    admin.locator("#changelist").get_by_text("Filters").first.click()
    admin.locator("select[name=dataset_split__exact]").select_option("Validation")
    admin.get_by_role("button", name="Apply Filters").click()
    expect(admin.locator("#result_list tbody")).to_have_count(1)
    expect(admin.locator("#result_list")).to_contain_text("Accuracy 0.600")

    follow(admin, "Snapshots")
    search = admin.locator("#searchbar")
    search.fill("churn ver-001a1")
    search.press("Enter")
    expect(admin.locator("#result_list tbody")).to_have_count(1)
    expect(admin.locator("#result_list")).to_contain_text("promoted")


def test_a_model_is_edited_with_its_versions_on_the_page(admin: Page) -> None:
    follow(admin, "Models")
    admin.get_by_role("link", name="churn").click()
    admin.get_by_label("Description").fill("Who leaves within a month.")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("was changed successfully")).to_be_visible()
