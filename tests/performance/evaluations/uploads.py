"""Upload predictions, for several test modules."""

import io
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow
import pyarrow.parquet
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from models_registry.accounts.models import User
from performance.evaluations.tasks import evaluate_next
from tests.api import BASE, Caller

PATH = "/models/mdl-7f3a19bc92/versions/ver-001a1/evaluations"
GOOD = b"example_id,actual,predicted,score\n1,no,no,0.2\n2,no,yes,0.7\n3,yes,yes,0.9\n4,yes,yes,0.6\n"


def upload(
    user: User | Caller, content: bytes = GOOD, name: str = "predictions.csv", path: str = PATH, **fields: Any
) -> Any:
    """Send predictions. `Prefer` and `Idempotency_Key` are headers; a field that is `None` is left out."""
    caller = user if isinstance(user, Caller) else Caller(user)
    headers = {key.replace("_", "-"): fields.pop(key) for key in ("Prefer", "Idempotency_Key") if key in fields}
    form = {"dataset_split": "test", "file": SimpleUploadedFile(name, content), **fields}
    given = {field: value for field, value in form.items() if value is not None}
    return caller.client.post(f"{BASE}{path}", given, headers=headers)


def work() -> bool:
    """Do the next job as a worker; return whether there was one."""
    return evaluate_next(Event())


def evaluated(user: User, *args: Any, **fields: Any) -> Any:
    """Upload, run the evaluation as a worker, and return it."""
    caller = Caller(user)
    accepted = upload(caller, *args, **fields)
    assert accepted.status_code == 202, accepted.content
    assert work()
    return caller.get(accepted["Location"]).json()


def parquet(*tables: dict[str, Any], **options: Any) -> bytes:
    """Return a Parquet file with a group of rows for each table."""
    file = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(file, pyarrow.table(tables[0]).schema, **options) as writer:
        for table in tables:
            writer.write_table(pyarrow.table(table))
    return file.getvalue()


def stored_in(settings: Any, folder: Path) -> None:
    """Store files in a folder, until the test's settings are reset."""
    own = {**settings.STORAGES["default"], "OPTIONS": {"location": folder / "storage"}}
    settings.STORAGES = {**settings.STORAGES, "default": own}


def stored_uploads() -> list[str]:
    """Return the names of the stored uploads."""
    return default_storage.listdir("uploads")[1] if default_storage.exists("uploads") else []
