"""Every kind of page in a real browser: its content security policy is kept, it keeps nobody out, and all of it works.

The fixture `page` fails a test in whose page the console has an error, such as a violation of a policy.
"""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from performance.gates.models import GatePolicy
from performance.webhooks.models import Webhook
from tests.admin_pages import add_url, list_url, page_url
from tests.browser.access import check_access
from tests.browser.conftest import OWN_ADDRESS
from tests.factories import PASSWORD, new_user

VARIED = (
    "/registeredmodel/",
    "/trustrule/add/",
    "/group/add/",
    "/form/",
    "/password_change/",
    "mdl-7f3a19bc92/delete/",
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


@pytest.fixture
def addresses(superuser: User, model: RegisteredModel) -> list[str]:
    """Return the addresses of the list, the form and a record of each kind, and of pages about the account.

    The pages of a history and before a deletion are the same for all kinds, so there are two of each.
    """
    request = RequestFactory().get("/")
    request.user = superuser
    Webhook.objects.create(organization=model.organization, url="https://example.com/hook", events=["gate.failed"])
    new_user("nina")
    found = [
        "/admin/",
        "/admin/password_change/",
        "/admin/two-factor/",
        "/admin/two-factor/activate/",
        "/admin/search/?s=model",
        page_url(model) + "?_popup=1",
        reverse("admin:performance_gatepolicy_form"),
        reverse("admin:models_registry_registeredmodel_gate", args=[model.pk, "ver-001a1"]),
    ]
    for kind, page in admin.site._registry.items():
        found.append(list_url(kind))
        found += [add_url(kind)] if page.has_add_permission(request) else []
        record = kind._default_manager.first()
        found += [page_url(record)] if record is not None else []
    pages = map(page_url, (model, superuser))
    return found + [page.replace("/change/", other) for page in pages for other in ("/history/", "/delete/")]


@pytest.fixture
def site(live_server: Any, addresses: list[str]) -> str:
    """Serve what is stored."""
    return str(live_server.url).replace("localhost", OWN_ADDRESS)


@pytest.fixture
def access(addresses: list[str], superuser: User) -> str:
    """Return an access token."""
    return str(open_token_family(user=superuser, scope=ALL_SCOPES).access_token)


def log_in(page: Page) -> None:
    """Log in through the form."""
    page.goto("/admin/")
    check_access(page)
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url("/admin/")


def test_no_page_of_the_admin_violates_its_policy_or_keeps_anybody_out(page: Page, addresses: list[str]) -> None:
    """Lists are alike, and so are forms: axe-core sees those that have all kinds of widgets."""
    log_in(page)
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        assert "/login/" not in answer.url
        assert "script-src 'self' 'unsafe-eval'" in answer.headers["content-security-policy"], address
        if address.endswith(VARIED):
            check_access(page, "#main")  # the sidebar is that of the start page


def test_search_boxes_filters_and_rows_that_are_added_work(admin: Page, addresses: list[str]) -> None:
    admin.goto(list_url(RegisteredModel))
    admin.locator("#changelist").get_by_text("Filters").first.click()
    admin.locator("#changelist-filter .select2-selection, .select2-selection").first.click()
    admin.locator(".select2-search__field").first.fill("Ac")
    admin.locator(".select2-results__option", has_text="Acme").click()
    admin.get_by_role("button", name="Apply Filters").click()
    expect(admin).to_have_url(re.compile("organization__id__exact=[0-9]+"))
    expect(admin.locator("#result_list")).to_contain_text("churn")

    admin.goto(add_url(RegisteredModel))
    admin.locator(".field-organization .select2-selection").click()
    admin.locator(".select2-search__field").fill("Ac")
    admin.locator(".select2-results__option", has_text="Acme").click()
    admin.get_by_label("Name").fill("made in a browser")
    admin.get_by_label("Task type").select_option("Regression")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("was added successfully")).to_be_visible()

    admin.goto(next(address for address in addresses if re.search("/organization/[0-9]+/change/$", address)))
    rows = admin.locator("select[name^='memberships-'][name$='-role']:not([name*='__prefix__'])")
    before = rows.count()
    admin.get_by_role("link", name=re.compile("Add another")).first.click()
    expect(rows).to_have_count(before + 1)


def test_the_first_key_leads_past_the_sidebar_and_each_stop_is_seen(admin: Page) -> None:
    admin.keyboard.press("Tab")
    link = admin.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    admin.keyboard.press("Enter")
    admin.keyboard.press("Tab")
    assert admin.evaluate("document.querySelector('[role=main]').contains(document.activeElement)")
    assert admin.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_pages_of_the_api_work_and_keep_nobody_out(
    access: str, model: RegisteredModel, page: Page, browser: Browser, site: str
) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=120_000)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(28, 32, 34)"
    check_access(page, ".information-container, .scheme-container, .opblock-tag, .opblock:first-child")
    page.locator(".opblock-summary").first.click()
    expect(page.get_by_role("button", name="Try it out").first).to_be_visible()

    rules = [{"metric": "accuracy", "operator": ">=", "threshold": 0.99}]
    GatePolicy.objects.create(model=model, version=1, document={"dataset_split": "test", "rules": rules})
    page.set_extra_http_headers({"Authorization": f"Bearer {access}", "Accept": "text/html, image/svg+xml"})
    of_model = "/api/v1/models/mdl-7f3a19bc92/"
    for shown in ("versions/ver-001a1/model-card", "performance/gate", "performance/badge.svg?metric=accuracy"):
        answer = page.goto(of_model + shown)
        assert answer is not None
        policy = answer.headers["content-security-policy"].split("; ")  # in any order
        assert "default-src 'none'" in policy
        assert any(directive.startswith("style-src") for directive in policy)
        if "badge" not in shown:
            check_access(page)

    with browser.new_page(base_url=site) as lost:  # whose console has an error: the status of the page
        lost.goto("/admin/login/?next=%00")
        expect(lost.get_by_role("heading", name="Bad request")).to_be_visible()
        check_access(lost)
