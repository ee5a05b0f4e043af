"""A real Chromium, driven by Playwright, on a server of the test's own.

One browser serves the tests of a process, each in a window that shares nothing with the others'. `page` comes after the
fixtures that store something; a test itself only drives the page.
"""

import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from models_registry.accounts.models import User
from tests.admin_pages import logged_in

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
OWN_ADDRESS = "127.0.0.1"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start Chromium.

    While Playwright runs, its loop runs in the tests' thread, where Django would refuse to reach the database.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=_chromium(), args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """Open a page as wide as a laptop; in the end nothing may have gone wrong in it, or to another machine."""
    complaints: list[str] = []
    with browser.new_context(base_url=site, viewport={"width": 1440, "height": 900}) as window:
        page = window.new_page()
        page.on("console", lambda message: complaints.extend(_faults(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: complaints.extend(_foreign(request.url)))
        page.on("requestfailed", lambda request: complaints.extend(_failures(request)))
        yield page
    assert complaints == []


@pytest.fixture
def session(site: str, superuser: User) -> str:
    """Return the id of a session of the superuser, who needn't log in through the form."""
    return logged_in(superuser).cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def admin(session: str, page: Page, site: str) -> Page:
    """Open the admin as the superuser."""
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site}])
    page.goto("/admin/")
    return page


def _chromium() -> str:
    """Return where Chromium is. Without one the tests are skipped; in CI they fail."""
    if path := shutil.which("chromium"):
        return path
    missing = "There is no Chromium: install the package `chromium` to run the browser tests."
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def _faults(message: ConsoleMessage) -> list[str]:
    return [f"{message.type}: {message.text}"] if message.type in {"error", "warning"} else []


def _failures(request: Request) -> list[str]:
    broken_off = request.failure == "net::ERR_ABORTED"  # as the test went on to another page meanwhile
    return [] if broken_off else [f"{request.url}: {request.failure}"]


def _foreign(url: str) -> list[str]:
    own = urlsplit(url).scheme == "data" or urlsplit(url).hostname == OWN_ADDRESS
    return [] if own else [f"a request to another machine: {url}"]
