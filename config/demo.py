"""The settings that the demo makes for itself, so that it runs on a fresh machine with nothing set."""

import os
import secrets
from pathlib import Path

from config.env.readers import read_env_file
from models_registry.db.secret_files import write_secret_file

KEYS_FILE = Path(__file__).parent.parent / "var" / "demo.env"


def use_own_keys() -> None:
    """Put the demo's settings into the environment, where nothing else is set, there or in `.env`.

    The keys are random, made once and kept in a file that only its owner may read.
    """
    read_env_file()
    if not KEYS_FILE.exists():
        write_secret_file(KEYS_FILE, "".join(f"{name}={secrets.token_urlsafe(50)}\n" for name in _KEYS))
    for line in KEYS_FILE.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
    os.environ.setdefault("HTTPS_ONLY", "false")


_KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY")
