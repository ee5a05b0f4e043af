"""Run `manage.py evaluate` on the predictions of the breast-cancer model."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

FIXTURES = Path(__file__).parents[3] / "fixtures" / "predictions"
TEST = FIXTURES / "breast-cancer" / "ver-00003-test.csv"


def run(capsys: pytest.CaptureFixture[str], *arguments: object, **options: Any) -> str:
    """Run the command, and return what it prints."""
    call_command("evaluate", *map(str, arguments), **options)
    return capsys.readouterr().out
