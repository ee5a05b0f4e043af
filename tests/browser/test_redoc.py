"""Reading the API's description in a real browser, under its content security policy."""

from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Request, expect

from tests.browser.conftest import OWN_ADDRESS

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


def test_redoc_shows_and_searches_the_api_without_its_makers_logo(browser: Browser, live_server: Any) -> None:
    finished: list[Request] = []
    complaints: list[ConsoleMessage] = []
    with browser.new_page() as page:
        page.on("requestfinished", lambda request: finished.append(request))
        page.on("console", lambda message: complaints.append(message))
        with page.expect_event("requestfailed", lambda request: OWN_ADDRESS not in request.url) as foreign:
            page.goto(live_server.url.replace("localhost", OWN_ADDRESS) + "/api/redoc")
            expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=120_000)
        page.get_by_role("textbox").first.fill("summary")
        expect(page.locator("[data-role='search:results'] li").first).to_be_visible(timeout=60_000)

        assert foreign.value.failure == "csp", "the browser itself refuses it, before it asks anybody"
        assert finished
        assert all(OWN_ADDRESS in request.url or request.url.startswith(("data:", "blob:")) for request in finished)
        messages = [message.text for message in complaints if message.type in {"error", "warning"}]
        assert [text for text in messages if "cdn.redoc.ly" not in text] == []
