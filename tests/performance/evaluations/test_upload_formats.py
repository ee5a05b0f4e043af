"""The format and the size of an upload are checked before it is queued."""

import gzip
from typing import Any

import pytest

from models_registry.accounts.models import User
from performance.evaluations.models import EvaluationJob
from tests.api import BASE, Caller, refusal
from tests.performance.evaluations.uploads import GOOD, PATH, evaluated, parquet, upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("finished_uploads_are_deleted")]


@pytest.mark.parametrize(
    ("name", "fields"), [("p.csv.gz", {}), ("p.csv", {"format": "csv.gz"}), ("p", {"format": "csv.gz"})]
)
def test_an_upload_may_be_compressed(editor: User, name: str, fields: dict[str, str]) -> None:
    done = evaluated(editor, gzip.compress(GOOD, mtime=0), name, **fields)

    assert done["snapshot"]["metrics"]["accuracy"] == 0.75


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (GOOD, "predictions.parquet", "says parquet, but the content is csv"),
        (parquet({"actual": ["a"], "predicted": ["a"]}), "predictions.csv", "says csv, but the content is parquet"),
        (gzip.compress(GOOD, mtime=0), "predictions.csv", "says csv, but the content is csv.gz"),
        (gzip.compress(GOOD, mtime=0), "predictions", "Name it .csv.gz"),
        (GOOD, "predictions.csv.gz", "says csv.gz, but the content is csv"),
        (b"PK\x03\x04" + GOOD, "predictions.zip", "compressed"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_at_once(editor: User, content: bytes, name: str, told: str) -> None:
    answer = upload(editor, content, name)
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert told in answer.json()["detail"]
    assert not EvaluationJob.objects.exists()


@pytest.mark.parametrize(
    ("content", "name", "format_"),
    [
        (GOOD, "predictions.csv", "parquet"),
        (GOOD, "predictions.csv", "csv.gz"),
        (gzip.compress(GOOD, mtime=0), "predictions.csv.gz", "csv"),
        (parquet({"actual": ["a"], "predicted": ["a"]}), "predictions.parquet", "csv"),
    ],
)
def test_a_file_of_another_format_than_the_field_says_is_refused_whatever_its_name(
    editor: User, content: bytes, name: str, format_: str
) -> None:
    answer = upload(editor, content, name, format=format_)
    assert refusal(answer) == (422, "unprocessable_predictions")
    assert f"`format` says {format_}, but the content is" in answer.json()["detail"]


def test_the_format_field_counts_and_not_the_name_of_the_file(editor: User) -> None:
    done = evaluated(editor, GOOD, "predictions.parquet", format="csv")

    assert done["snapshot"]["metrics"]["accuracy"] == 0.75


def test_a_file_over_the_limit_is_refused(editor: User, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = len(GOOD) - 1
    answer = upload(editor)
    assert refusal(answer) == (413, "payload_too_large")
    assert f"{len(GOOD) - 1} bytes" in answer.json()["detail"]
    settings.MAX_UPLOAD_BYTES = len(GOOD)
    assert upload(editor).status_code == 202


def test_a_body_that_says_that_it_is_too_large_is_refused_unread(editor: User, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES, settings.MAX_BODY_BYTES = 10, 10
    assert refusal(upload(editor)) == (413, "payload_too_large")


def test_another_body_than_a_form_is_refused(editor: User) -> None:
    assert refusal(Caller(editor).post(PATH, {})) == (415, "unsupported_media_type")
    broken = Caller(editor).client.generic("POST", f"{BASE}{PATH}", b"--x", "multipart/form-data; boundary=")
    assert refusal(broken) == (400, "invalid_body")
