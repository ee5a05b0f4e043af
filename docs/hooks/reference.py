"""MkDocs hook: put the tables that follow from the code into the reference pages.

A line `<!-- generated: NAME -->` becomes the table that `docs.hooks.tables` makes under that name. The note in italics
above it is for readers of the source, such as on a code host. The built page leaves it out.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import django

ROOT = Path(__file__).parents[2]
PLACEHOLDER = re.compile(r"^(?:\*[^*\n]+\*\n\n)?<!-- generated: ([a-z-]+) -->$", re.M)


def on_config(config: Any) -> None:
    """Set up Django, without which neither routes nor commands can be listed."""
    sys.path.insert(0, str(ROOT))
    os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", DEBUG="true")
    django.setup()


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Return a page with its placeholders replaced. Raises `KeyError` for a table that does not exist."""
    from docs.hooks.tables import TABLES

    return PLACEHOLDER.sub(lambda match: TABLES[match[1]](), markdown)
