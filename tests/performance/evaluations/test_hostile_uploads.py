"""A hostile upload gets a clear problem. It leaves no snapshot and no file, and harms neither service nor worker."""

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pytest
from django.core.files.storage import default_storage
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.api import BASE, Caller, refusal
from tests.forms import BOUNDARY, multipart
from tests.performance.evaluations.uploads import (
    GOOD,
    PATH,
    evaluated,
    parquet,
    stored_in,
    stored_uploads,
    upload,
    work,
)

pytestmark = pytest.mark.django_db

MILLION = 1_000_000
EXAMPLES = {
    "example_id": [f"row-{number}" for number in range(500)],
    "actual": [number % 3 == 0 for number in range(500)],
    "predicted": [number % 4 == 0 for number in range(500)],
    "score": [number / 500 for number in range(500)],
}


@pytest.fixture(autouse=True)
def _nothing_is_left(model: RegisteredModel, settings: Any, tmp_path: Path) -> Any:
    """Check that no upload is left once it has been evaluated."""
    stored_in(settings, tmp_path)
    yield
    while work():
        pass
    assert stored_uploads() == []


def refused(user: User, content: bytes, name: str = "predictions", **fields: Any) -> str:
    """Check that an evaluation failed properly, and return the reason."""
    done = evaluated(user, content, name, **fields)
    assert (done["state"], done["snapshot"]) == ("failed", None), done
    assert (done["problem"]["status"], done["problem"]["code"]) == (422, "unprocessable_predictions")
    detail: str = done["problem"]["detail"]
    for internal in ("Traceback", "/tmp", "evaluation-", "SELECT", "duckdb"):  # noqa: S108
        assert internal not in detail
    assert not MetricSnapshot.objects.filter(source="computed").exists()
    return detail


@pytest.fixture(scope="module")
def hundred_million_rows() -> bytes:
    """A small file with many equal rows, made before any transaction is open."""
    group = {name: numpy.ones(MILLION, dtype=bool) for name in ("actual", "predicted")}
    return parquet(*[group] * 100, compression="zstd")


def test_a_hundred_million_rows_in_less_than_a_megabyte_are_refused(hundred_million_rows: bytes, editor: User) -> None:
    assert len(hundred_million_rows) < MILLION
    assert "100,000,000 rows" in refused(editor, hundred_million_rows)


@pytest.mark.once
@pytest.mark.django_db(transaction=True)  # as it takes its time, in which no transaction may stay open
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_a_file_that_expands_to_two_gigabytes_is_refused(editor: User) -> None:
    actual = pyarrow.array(["a" * 2**26]).dictionary_encode().take(pyarrow.array([0] * 32))  # in memory once
    content = parquet({"actual": actual, "predicted": ["a"] * 32}, compression="zstd")
    assert len(content) < 10_000
    assert "more memory, disk space or time" in refused(editor, content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"actual,predicted," + b",".join(b"c%d" % n for n in range(20_000)) + b"\na,a" + b",1" * 20_000, "columns"),
        (b"actual,predicted\n" + b"x" * 50_000_000, "too long"),
        (b'actual,predicted\n"a,a\n' + b"a,a\n" * 100_000, "cannot be read"),
        (b"actual,predicted\na,a\0\n", "NUL"),
        (b"actual,predicted\na,\xff\xfe\n", "cannot be read"),
        (b"actual,actual\na,a\n", "two columns"),
        (b"actual,Actual,predicted\na,a,a\n", "Both 'actual' and 'Actual'"),
        (b",,predicted\na,a,a\n", "without a name"),
        (b"actual,predicted\na,a,a,a\n", "cannot be read"),
        (b"actual|predicted\na|a\n", "There is no column"),
        ("actual,predicted\na,a\n".encode("utf-16"), "cannot be read"),
        (b"\0" * 1000, "cannot be read"),
        (b"{" * 100_000, "100,000 characters; the limit is 200"),
        (b"PAR1" + b"\0" * 1000 + b"PAR1", "cannot be read"),
        (b"actual,predicted\n" + b"".join(b"%d,0\n" % n for n in range(2000)), "labels"),
    ],
)
def test_what_is_no_table_of_predictions_is_refused(editor: User, content: bytes, told: str) -> None:
    assert told in refused(editor, content)


def with_names(*names: str) -> bytes:
    """Return a Parquet file with columns of these names, all with the same labels."""
    table = pyarrow.table([["a", "b"]] * len(names), names=names)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("actual", "predicted", ""), "without a name"),
        (("", "", "actual", "predicted"), "without a name"),
        (("",), "without a name"),
        (("actual", "predicted", "score_\0"), "NUL"),
        (("actual", "predicted", "x" * 201), "201 characters"),
        (("actual", "predicted", "actual"), "two columns"),
    ],
)
def test_a_column_of_parquet_whose_name_cannot_be_kept_is_refused(
    editor: User, names: tuple[str, ...], told: str
) -> None:
    assert told in refused(editor, with_names(*names))


@pytest.mark.parametrize(
    "name", ["", " ", "\n", '"', "'", "`", "a.b", ".", "*", "a;b", "--", "score_", "é\u0301", "source"]
)
def test_a_column_of_parquet_may_have_an_odd_name(editor: User, name: str) -> None:
    done = evaluated(editor, with_names(name, "actual", "predicted"), "predictions.parquet")

    assert done["state"] == "succeeded", done
    assert done["snapshot"]["metrics"]["accuracy"] == 1


def test_numbers_past_a_double_are_refused(editor: User, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(task_type="regression")
    assert "above which sums exceed a double" in refused(editor, b"actual,predicted\n1e308,-1e308\n-1e308,1e308\n")
    assert "Row 1" in refused(editor, b"actual,predicted\n1e400,1\n")
    assert "Row 2" in refused(editor, b"actual,predicted\n1,1\nNaN,1\n")


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_flipped_bytes_fails_or_is_read_but_breaks_nothing(editor: User, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    content = bytearray(parquet(EXAMPLES, compression=["zstd", "none", "snappy"][seed % 3]))
    for at in chance.sample(range(4, len(content)), 1 + 3 * (seed % 4)):
        content[at] ^= 1 << chance.randrange(8)
    done = evaluated(editor, bytes(content), "predictions")
    if done["state"] == "failed":
        assert (done["problem"]["status"], done["problem"]["code"]) == (422, "unprocessable_predictions")
    else:
        assert done["state"] == "succeeded"


@pytest.mark.parametrize("kept", [4, 0.5, -1])
def test_a_file_that_is_cut_off_is_refused(editor: User, kept: float) -> None:
    content = parquet(EXAMPLES)
    end = int(len(content) * kept) if isinstance(kept, float) else int(kept)
    assert "cannot be read" in refused(editor, content[:end])


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../../../etc/passwd", "..\\..\\x.csv", "*.csv", "x" * 10_000, "a\u0000b.csv", "\u202e.csv", "~/x"],
)
def test_a_name_decides_nothing(editor: User, name: str) -> None:
    form = multipart(dataset_split="test", file=GOOD.decode()).replace('"predictions.csv"', f'"{name}"').encode()
    caller = Caller(editor)
    answer = caller.client.generic("POST", f"{BASE}{PATH}", form, f"multipart/form-data; boundary={BOUNDARY}")
    if answer.status_code == 202:
        assert all(each.endswith((".csv", ".parquet")) and len(each) < 50 for each in stored_uploads())
        assert work()
        assert caller.get(answer["Location"]).json()["state"] == "succeeded"
    else:
        assert refusal(answer)[0] == 400


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("actual", "/etc/passwd"),
        ("score", "*"),
        ("weight", 'a"; DROP TABLE x; --'),
        ("example_id", "read_text('/etc/passwd')"),
    ],
)
def test_a_column_is_a_name_and_nothing_else(editor: User, part: str, name: str) -> None:
    assert "There is no column" in refused(editor, GOOD, columns=json.dumps({part: name}))


FORMS = {
    "no boundary in the body": b"file",
    "no end": multipart(dataset_split="test", file="x").encode()[:-10],
    "no name": multipart(dataset_split="test", file="x").replace('name="file"; ', "").encode(),
    "a header of 100 kB": multipart(dataset_split="test", file="x").replace("predictions", "p" * 100_000).encode(),
    "base64": multipart(dataset_split="test", file="!!!")
    .replace("\r\n\r\n!", "\r\nContent-Transfer-Encoding: base64\r\n\r\n!")
    .encode(),
    "a thousand fields": multipart(**{f"f{n}": "x" for n in range(2000)}, file="x").encode(),
    "a field of 2 MB": multipart(dataset_split="t" * 2**21, file="x").encode(),
    "a name that is NUL": multipart(**{"\0": "x"}, file="x").encode(),
    "not UTF-8": multipart(dataset_split="MARK", file="x").encode().replace(b"MARK", b"\xff"),
    "empty": b"",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_that_is_none_is_refused(editor: User, form: bytes) -> None:
    client: Client = Caller(editor).client
    answer = client.generic("POST", f"{BASE}{PATH}", form, f"multipart/form-data; boundary={BOUNDARY}")
    assert refusal(answer)[0] in (400, 413)
    assert not EvaluationJob.objects.exists()


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=x",
        f"multipart/form-data; boundary={'x' * 300}",
        "multipart/form-data; boundary=\xff",
        "multipart/form-data; boundary=x; charset=nosuch",
    ],
)
def test_a_content_type_that_is_none_is_refused(editor: User, content_type: str) -> None:
    answer = Caller(editor).client.generic("POST", f"{BASE}{PATH}", b"--x--", content_type)
    assert refusal(answer)[0] in (400, 415)


def test_an_outsiders_upload_is_not_kept(outsider: User) -> None:
    assert refusal(upload(outsider)) == (403, "permission_denied")
    assert not default_storage.exists("uploads") or stored_uploads() == []
