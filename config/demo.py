"""Create the settings of the demo, so that it runs on a new machine without configuration."""

import os
import secrets
from pathlib import Path

from config.env.readers import read_env_file
from models_registry.db.secret_files import write_secret_file

KEYS_FILE = Path(__file__).parent.parent / "var" / "demo.env"


def use_own_keys() -> None:
    """Set the demo's environment variables, unless the environment or `.env` sets them.

    The keys are random. They are created once, in a file that only its owner may read.
    """
    read_env_file()
    if not KEYS_FILE.exists():
        write_secret_file(KEYS_FILE, "".join(f"{name}={secrets.token_urlsafe(50)}\n" for name in _KEYS))
    for line in KEYS_FILE.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, value)
    os.environ.setdefault("HTTPS_ONLY", "false")


_KEYS = ("SECRET_KEY", "JWT_SIGNING_KEY")
