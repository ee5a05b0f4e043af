"""Settings that are read anew, and the line that refuses them."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).parent.parent.parent
ReadSettings = Callable[..., dict[str, Any]]
Refusal = Callable[..., str]


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch) -> ReadSettings:
    """Return a function that reads the settings anew, from this run's environment with changes."""

    def read(**environment: str) -> dict[str, Any]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "config" / "settings.py"))

    return read


@pytest.fixture
def refusal(read_settings: ReadSettings) -> Refusal:
    """Return a function that returns the one line with which the settings refuse an environment."""

    def message(**environment: str) -> str:
        with pytest.raises(ImproperlyConfigured) as refused:
            read_settings(**environment)
        (line,) = str(refused.value).splitlines()
        return line

    return message
