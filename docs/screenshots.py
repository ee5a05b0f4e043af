"""Take the pictures of the documentation: the pages of the demo, as its superuser sees them.

    uv run manage.py demo                            # in one terminal
    uv run --group dev docs/screenshots.py           # in another one

Needs `chromium` on the path. The pictures are in light colours, 1280 pixels wide, and compressed as WebP.
"""

import argparse
import base64
import json
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
PASSWORDS = ROOT / "var" / "demo-passwords.json"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTH, QUALITY = 1280, 80
PENGUINS = "/admin/models_registry/registeredmodel/mdl-d92b7c5e10"


def log_in(page: Page, password: str) -> None:
    """Log in as the demo's superuser, which leads to the start page."""
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def shoot(page: Page, name: str, height: int) -> None:
    """Save the top of the page."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.evaluate("document.fonts.ready")
    session = page.context.new_cdp_session(page)  # Playwright itself writes no WebP
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    (IMAGES / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))


def take_pictures(page: Page) -> None:
    """Save the start page, the page of a model, a comparison, and what a snapshot shows below its metrics."""
    shoot(page, "start", 940)
    page.goto(f"{PENGUINS}/overview/")
    shoot(page, "model", 1300)
    page.goto(f"{PENGUINS}/compare/?version_id=ver-00006&baseline_version_id=ver-00003&dataset_split=test")
    shoot(page, "compare", 1400)
    page.get_by_role("link", name="penguins ver-00006 test").click()
    page.get_by_role("region", name="Confusion matrix").evaluate("part => part.previousElementSibling.scrollIntoView()")
    shoot(page, "snapshot", 1175)


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation from a running demo.")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo is (default: %(default)s)")
    parser.add_argument("--passwords", type=Path, default=PASSWORDS, help="the demo's file of passwords")
    given = parser.parse_args()
    password = json.loads(given.passwords.read_text())["admin"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(base_url=given.url, color_scheme="light", viewport={"width": WIDTH, "height": 900})
        log_in(page, password)
        take_pictures(page)
        browser.close()


if __name__ == "__main__":
    main()
