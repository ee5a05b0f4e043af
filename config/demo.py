"""The settings that the demo makes for itself, so that it runs on a fresh machine with nothing set."""

import os
import secrets
from pathlib import Path

KEYS_FILE = Path(__file__).parent.parent / "var" / "demo.env"


def use_own_keys() -> None:
    """Put the demo's settings into the environment, where nothing else is set there.

    The keys are random, made once and kept in a file that only its owner may read.
    """
    if not KEYS_FILE.exists():
        write_private(KEYS_FILE, "".join(f"{name}={secrets.token_urlsafe(50)}\n" for name in _KEYS))
    for line in KEYS_FILE.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
    os.environ.setdefault("HTTPS_ONLY", "false")


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)


_KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY")
