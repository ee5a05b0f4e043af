"""People log in on a phone in the dark, with the OpenID provider and with a second factor."""

import re
import time
from collections.abc import Iterator

import oidc_provider_mock
import pytest
from django.core import mail
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from models_registry.accounts.models import User
from models_registry.logins.provider import LoginProvider
from tests.authenticator_app import totp
from tests.browser.access import check_fit
from tests.browser.conftest import OWN_ADDRESS
from tests.factories import PASSWORD

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("rows_can_be_cleaned_up"),
    pytest.mark.filterwarnings("ignore:::authlib"),
]


@pytest.fixture
def phone(browser: Browser, live_server: LiveServer, settings: Settings, viewer: User) -> Iterator[Page]:
    """Open a page as wide as a phone, beside a provider. Nothing may go wrong in it."""
    site = str(live_server.url).replace("localhost", OWN_ADDRESS)
    complaints: list[str] = []
    with (
        oidc_provider_mock.run_server_in_thread() as server,
        browser.new_context(
            base_url=site, viewport={"width": 390, "height": 844}, color_scheme="dark", reduced_motion="reduce"
        ) as window,
    ):
        issuer = f"http://{OWN_ADDRESS}:{server.server_port}"
        settings.OIDC_LOGIN = LoginProvider(issuer, client_id="registry", client_secret="secret", name="Acme ID")
        window.route(
            lambda url: url.startswith("https:"), lambda route: route.fulfill(body="", content_type="text/css")
        )
        page = window.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
    assert complaints == []


def test_a_person_comes_back_from_the_provider_as_who_they_are_there(phone: Page) -> None:
    phone.goto("/admin/")
    check_fit(phone)
    phone.get_by_role("link", name="Log in with Acme ID").focus()
    phone.keyboard.press("Enter")
    phone.get_by_placeholder("sub").fill("nina")
    phone.get_by_role("button", name="Authorize", exact=True).click()

    expect(phone.get_by_role("heading", name="Nothing is shared with you yet")).to_be_visible()
    assert User.objects.filter(username__startswith="user").exists()


def test_a_forgotten_password_is_replaced_by_way_of_a_mailbox(phone: Page, viewer: User, settings: Settings) -> None:
    settings.MAIL_SENT_BEHIND = True
    User.objects.filter(pk=viewer.pk).update(email="vera@example.com")
    phone.goto("/admin/login/")
    phone.get_by_role("link", name="Forgotten your password").click()
    phone.get_by_label("E-mail address").fill("vera@example.com")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    patience = time.monotonic() + 30
    while not mail.outbox and time.monotonic() < patience:
        time.sleep(0.05)
    (link,) = re.findall(r"http://[^/]+(/\S+)", str(mail.outbox[0].body))
    phone.goto(link)
    for name in ("new_password1", "new_password2"):
        phone.locator(f"[name={name}]").fill("another long password of hers")
    check_fit(phone)
    phone.get_by_role("button", name="Change password").click()
    expect(phone.get_by_role("heading", name="Your password is changed")).to_be_visible()


def test_a_person_sets_up_an_authenticator_app_and_logs_in_with_it(phone: Page) -> None:
    def log_in() -> None:
        phone.goto("/admin/login/?next=/admin/two-factor/")
        phone.get_by_label("Username").fill("vera")
        phone.get_by_label("Password").fill(PASSWORD)
        phone.keyboard.press("Enter")

    log_in()
    phone.get_by_role("link", name="Set up an authenticator app").click()
    phone.get_by_label("Password").fill(PASSWORD)
    phone.keyboard.press("Enter")
    image = phone.get_by_alt_text("QR code")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") > 0
    check_fit(phone)
    secret = phone.locator("code").first.inner_text()
    phone.get_by_label("Code").fill(totp(secret, 0))
    phone.get_by_role("button", name="Activate").click()
    expect(phone.get_by_role("listitem").filter(has=phone.locator("code"))).to_have_count(10)
    check_fit(phone)

    phone.context.clear_cookies()
    log_in()
    phone.get_by_label("Code").fill("000000")
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("Incorrect code.")).to_be_visible()
    check_fit(phone)
    phone.get_by_label("Code").fill(totp(secret, 1))
    phone.keyboard.press("Enter")
    expect(phone.get_by_text("has protected your account since")).to_be_visible()
