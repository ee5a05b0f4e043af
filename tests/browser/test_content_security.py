"""Every kind of page in a real browser, under its content security policy: nothing is violated, and all of it works.

The fixture `page` fails a test in whose page the console has an error, such as a violation of a policy.
"""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory
from playwright.sync_api import Page, expect

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from performance.webhooks.models import Webhook
from tests.admin_pages import add_url, list_url, page_url
from tests.browser.conftest import OWN_ADDRESS
from tests.factories import PASSWORD, new_user

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
    found = ["/admin/", "/admin/password_change/", "/admin/search/?s=model", page_url(model) + "?_popup=1"]
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
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile("/admin/$"))


def test_no_page_of_the_admin_violates_its_policy(page: Page, addresses: list[str]) -> None:
    log_in(page)
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        assert "script-src 'self' 'unsafe-eval'" in answer.headers["content-security-policy"], address


def test_search_boxes_and_the_filters_of_the_admin_work(admin: Page) -> None:
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


def test_the_form_of_an_organization_gets_more_rows(admin: Page, addresses: list[str]) -> None:
    admin.goto(next(address for address in addresses if re.search("/organization/[0-9]+/change/$", address)))
    rows = admin.locator("select[name^='memberships-'][name$='-role']:not([name*='__prefix__'])")
    before = rows.count()
    admin.get_by_role("link", name=re.compile("Add another")).first.click()
    expect(rows).to_have_count(before + 1)


def test_the_documentation_shows_and_tries_the_api(page: Page) -> None:
    page.goto("/api/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=120_000)
    page.locator(".opblock-summary").first.click()
    expect(page.get_by_role("button", name="Try it out").first).to_be_visible()


@pytest.mark.parametrize("shown", ["gate", "badge.svg?metric=accuracy"])
def test_the_page_of_a_gate_and_a_badge_are_shown(access: str, page: Page, shown: str) -> None:
    page.set_extra_http_headers({"Authorization": f"Bearer {access}", "Accept": "text/html, image/svg+xml"})
    answer = page.goto(f"/api/v1/models/mdl-7f3a19bc92/performance/{shown}")
    assert answer is not None
    policy = answer.headers["content-security-policy"].split("; ")  # in any order
    assert "default-src 'none'" in policy
    assert any(directive.startswith("style-src") for directive in policy)
    expect(page.locator("body, svg").first).to_be_visible()
