"""The templates and the stylesheets of the admin site."""

import re
from pathlib import Path

import unfold
from django.conf import settings

STYLESHEETS = (
    Path(unfold.__path__[0]) / "static" / "unfold" / "css" / "styles.css",
    settings.BASE_DIR / "models_registry" / "static" / "models_registry" / "admin.css",
)
TEMPLATES = ("config", "models_registry", "performance")
WITHOUT_STYLE = {"examples", "slices"}  # which tests look for


def test_each_class_of_a_template_has_a_style() -> None:
    """The theme's stylesheet has the utility classes that the theme uses, and no other ones."""
    styles = "".join(path.read_text() for path in STYLESHEETS)
    styled = {re.sub(r"\\(.)", r"\1", name) for name in re.findall(r"\.((?:[\w-]|\\.)+)", styles)}
    for folder in TEMPLATES:
        for path in (settings.BASE_DIR / folder / "templates").rglob("*.html"):
            used = re.findall(r'class="([^"]*)"', path.read_text())
            names = {name for text in used for name in re.sub(r"{%.*?%}|{{.*?}}", " ", text).split()}
            assert names <= styled | WITHOUT_STYLE, path
