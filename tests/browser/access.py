"""What keeps people from using a page: what axe-core finds, and what is wider than the window."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = {"serious", "critical"}
_AXE = Axe()
_ALL = {"resultTypes": ["violations"]}
_COLOURS = {**_ALL, "runOnly": ["color-contrast", "link-in-text-block"]}  # the rest is the same in light and dark
_SETTLE = """async () => {
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    document.getAnimations().forEach(each => each.effect.getTiming().iterations < 9 && each.finish());
}"""  # scripts hear of another scheme with the next frame, and then colours change slowly


def check_fit(page: Page) -> None:
    """Check that a page need not be scrolled sideways. Waits for its document, as `page.evaluate` does not."""
    assert page.locator("html").evaluate("html => html.scrollWidth <= window.innerWidth"), page.url


def check_access(page: Page, part: str = "html") -> None:
    """Check that axe-core finds nothing serious on a page, or on part of it, in light and in dark."""
    found = [violation for scheme in ("dark", "light") for violation in _violations(page, part, scheme)]
    assert not found, "\n".join([page.url, *found])


def _violations(page: Page, part: str, scheme: str) -> list[str]:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.evaluate(_SETTLE)
    found = _AXE.run(page, context=part, options=_ALL if scheme == "light" else _COLOURS).response["violations"]
    return [
        f"{scheme}: {each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]
