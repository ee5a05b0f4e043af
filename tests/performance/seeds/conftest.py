"""A command that loads a document."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from tests.performance.seeds.documents import Seed


@pytest.fixture
def seed(db: None, tmp_path: Path) -> Seed:
    """A function that runs the command on a document."""

    def run(document: Any, *options: str, name: str = "seed.json") -> None:
        file = tmp_path / name
        if isinstance(document, bytes):
            file.write_bytes(document)
        else:
            dump = yaml.safe_dump if name.endswith("yaml") else json.dumps
            file.write_text(dump(document))
        call_command("seed", str(file), *options, verbosity=0)

    return run
