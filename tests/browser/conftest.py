"""A real Chromium, driven by Playwright, on a server of the test's own.

Playwright's loop runs in the test's thread, where Django then refuses to reach the database. So `page` comes after the
fixtures that store something, and ends before the database is cleaned; a test itself only drives the page.
"""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OWN_ADDRESS = "127.0.0.1"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return where Chromium is. Without one the tests are skipped; in CI they fail."""
    if path := shutil.which("chromium"):
        return path
    missing = "There is no Chromium: install the package `chromium` to run the browser tests."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def page(chromium: str, site: str) -> Iterator[Page]:
    """Open a page as wide as a laptop; in the end nothing may have gone wrong in it, or to another machine."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(base_url=site, viewport={"width": 1440, "height": 900})
        page.on("console", lambda message: complaints.extend(_faults(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend(_foreign(request.url)))
        page.on("requestfailed", lambda request: complaints.extend(_failures(request)))
        yield page
        browser.close()
    assert complaints == []


def _faults(message: ConsoleMessage) -> list[str]:
    return [f"{message.type}: {message.text}"] if message.type in {"error", "warning"} else []


def _failures(request: Request) -> list[str]:
    broken_off = request.failure == "net::ERR_ABORTED"  # as the test went on to another page meanwhile
    return [] if broken_off else [f"{request.url}: {request.failure}"]


def _foreign(url: str) -> list[str]:
    own = urlsplit(url).scheme == "data" or urlsplit(url).hostname == OWN_ADDRESS
    return [] if own else [f"a request to another machine: {url}"]
