"""Reading the API's description in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import Request, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, OWN_ADDRESS

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("rows_can_be_cleaned_up")]


def test_redoc_shows_the_api_and_reaches_no_other_host(chromium: str, live_server: Any) -> None:
    finished: list[Request] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        page.on("requestfinished", lambda request: finished.append(request))
        with page.expect_event("requestfailed", lambda request: OWN_ADDRESS not in request.url) as foreign:
            page.goto(live_server.url.replace("localhost", OWN_ADDRESS) + "/api/redoc")
            expect(page.get_by_role("heading", name="Log in")).to_be_visible(timeout=30_000)
        assert foreign.value.failure == "csp", "the browser itself refuses it, before it asks anybody"
        assert finished
        assert all(OWN_ADDRESS in request.url or request.url.startswith(("data:", "blob:")) for request in finished)
        browser.close()
