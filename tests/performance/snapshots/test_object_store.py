"""Predictions in an object store are stored, compared and evaluated."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from pytest_django import Settings

from config.env.storages import storage
from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from performance.comparisons import services
from performance.comparisons.models import PairedComparison
from performance.snapshots import prediction_store
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller
from tests.factories import completed_version
from tests.serving import free_port

FIXTURES = Path(__file__).parents[3] / "fixtures" / "predictions" / "breast-cancer"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_busy_machine_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 120.0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an object store of its own. No other test's process loads what it takes."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket with the predictions of two versions, and an environment that gives access to it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    import boto3

    bucket = boto3.resource("s3").Bucket("kept")
    if not bucket.creation_date:
        bucket.create(CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for file in FIXTURES.glob("*.csv"):
            bucket.upload_file(str(file), f"predictions of models/{file.name}")
    return bucket


@pytest.fixture
def stored_there(bucket: Any, endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service keeps its files in the bucket."""
    use(f"s3://kept/registry?endpoint_url={endpoint}&region_name=eu-central-1", settings, monkeypatch)


def use(url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_URL", url)
    settings.STORAGES = {**settings.STORAGES, "default": storage("STORAGE_URL", default=Path("unused"))}


@pytest.fixture
def model(acme: Organization) -> RegisteredModel:
    model = RegisteredModel.objects.create(organization=acme, name="breast-cancer", task_type="classification")
    for number in (2, 3):
        completed_version(model, number=number)
    return model


def evaluate(model: RegisteredModel, *arguments: str) -> None:
    call_command("evaluate", model.pk, *arguments)


def methods(model: RegisteredModel, viewer: User) -> set[str]:
    """Return the methods of the intervals of a comparison."""
    answer = Caller(viewer).get(
        f"/models/{model.pk}/performance/compare", {"version_id": "ver-00003", "baseline_version_id": "ver-00002"}
    )
    assert answer.status_code == 200
    return {each["confidence_interval"]["method"] for each in answer.json()["metrics"].values()}


@pytest.mark.usefixtures("stored_there")
def test_predictions_are_kept_in_the_bucket_and_compared_from_there(
    model: RegisteredModel, viewer: User, bucket: Any
) -> None:
    for number in (2, 3, 3):
        evaluate(model, f"ver-0000{number}", str(FIXTURES / f"ver-0000{number}-test.csv"))

    digests = {snapshot.details.predictions_digest or "" for snapshot in MetricSnapshot.objects.all()}
    kept = {each.key for each in bucket.objects.filter(Prefix="registry/")}
    assert kept == {f"registry/predictions/{digest[:2]}/{digest}.parquet" for digest in digests}
    assert len(digests) == 2
    assert "paired_newcombe_5" in methods(model, viewer)


def test_spark_reads_no_object_store_and_says_so(model: RegisteredModel, bucket: Any, settings: Settings) -> None:
    settings.EVALUATION_ENGINE = "local[2]"

    with pytest.raises(CommandError, match="cannot read from an object store here. Copy the files"):
        evaluate(model, "ver-00003", "s3://kept/predictions of models/ver-00003-test.csv")


@pytest.mark.usefixtures("stored_there")
def test_purge_deletes_what_no_snapshot_names_from_the_bucket(
    model: RegisteredModel, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(model, "ver-00002", str(FIXTURES / "ver-00002-test.csv"))
    (tmp_path / "orphan").write_text("orphan")
    orphan = prediction_store.put(tmp_path / "orphan")
    monkeypatch.setattr(prediction_store, "UNREFERENCED_AGE", timedelta(days=-1))  # as if a day had passed

    call_command("purge")

    kept = {each.key for each in bucket.objects.filter(Prefix="registry/predictions/")}
    named = MetricSnapshot.objects.get().details.predictions_digest or ""
    assert f"registry/predictions/{named[:2]}/{named}.parquet" in kept
    assert not any(orphan in key for key in kept)


def test_a_store_that_cannot_be_reached_leaves_independent_samples(
    model: RegisteredModel,
    viewer: User,
    bucket: Any,
    endpoint: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(f"s3://kept/registry?endpoint_url={endpoint}", settings, monkeypatch)
    for number in (2, 3):
        evaluate(model, f"ver-0000{number}", str(FIXTURES / f"ver-0000{number}-test.csv"))
    use(f"s3://kept/registry?endpoint_url=http://127.0.0.1:{free_port()}", settings, monkeypatch)

    with caplog.at_level(logging.ERROR):
        assert methods(model, viewer) == {"independent"}
        evaluate(model, "ver-00003", str(FIXTURES / "ver-00003-test.csv"))

    assert "cannot be compared example by example: EndpointConnectionError" in caplog.text
    assert "not kept for comparisons: EndpointConnectionError" in caplog.text
    assert MetricSnapshot.objects.newest_first()[0].details.predictions_digest is None
    assert not PairedComparison.objects.exists()
    use(f"s3://nosuch/registry?endpoint_url={endpoint}", settings, monkeypatch)
    assert not default_storage.exists("anything")


# The command


def printed(capsys: pytest.CaptureFixture[str], model: RegisteredModel, *files: str) -> Any:
    capsys.readouterr()
    evaluate(model, "ver-00003", *files, "--json")
    return json.loads(capsys.readouterr().out)


def same(one: Any, other: Any) -> None:
    """Check that two evaluations agree, except for rounding in another order of addition."""
    assert one["rows"] == other["rows"]
    assert one["confusion_matrix"] == other["confusion_matrix"]
    assert one["metrics"] == pytest.approx(other["metrics"], rel=1e-12)


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("pattern", ["ver-00003-test.csv", "ver-00003-*.csv"])
def test_files_of_a_bucket_come_to_the_same(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str], pattern: str
) -> None:
    there = printed(capsys, model, f"s3://kept/predictions of models/{pattern}")
    here = printed(capsys, model, str(FIXTURES / pattern))

    same(there, here)
    first, second = MetricSnapshot.objects.all()
    assert first.details.dataset_digest == second.details.dataset_digest
    assert first.details.predictions_digest == second.details.predictions_digest is not None


@pytest.mark.usefixtures("bucket")
def test_parquet_of_a_bucket_is_read_as_well(
    model: RegisteredModel, capsys: pytest.CaptureFixture[str], bucket: Any, tmp_path: Path
) -> None:
    for split in ("test", "train"):
        table = pyarrow.csv.read_csv(FIXTURES / f"ver-00003-{split}.csv")
        pyarrow.parquet.write_table(table, tmp_path / f"{split}.parquet")
        bucket.upload_file(str(tmp_path / f"{split}.parquet"), f"parquet/{split}.parquet")

    there = printed(capsys, model, "s3://kept/parquet/*.parquet")

    same(there, printed(capsys, model, str(tmp_path / "*.parquet")))


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["s3://kept/nothing.csv"], "There is no file s3://kept/nothing.csv"),
        (["s3://kept/nothing*.csv"], "matches no file"),
        (["s3://nosuch/predictions.csv"], "There is no file s3://nosuch"),
        (["s3://kept/predictions of models/ver-00003-test.csv", "here.csv"], "all in one store"),
        (["s3://kept/predictions of models/ver-00003-test.csv", "memory://there.csv"], "all in one store"),
        (["nosuch://kept/x.csv"], "nosuch"),
    ],
)
def test_what_is_not_in_the_store_is_named(model: RegisteredModel, files: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason) as refused:
        evaluate(model, "ver-00003", *files)

    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("bucket")
def test_a_store_that_cannot_be_reached_is_named(model: RegisteredModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()

    with pytest.raises(CommandError, match="s3://kept/x.csv cannot be reached: .*connect"):
        evaluate(model, "ver-00003", "s3://kept/x.csv")
    S3FileSystem.clear_instance_cache()


@pytest.mark.usefixtures("bucket")
def test_a_row_that_cannot_be_scored_is_named_from_there_too(model: RegisteredModel, bucket: Any) -> None:
    bucket.put_object(Key="bad.csv", Body=b"actual,predicted\na,a\nb,\n")

    with pytest.raises(CommandError, match="'predicted', row 2"):
        evaluate(model, "ver-00003", "s3://kept/bad.csv")


@pytest.mark.parametrize(("uri", "missing"), [("gs://kept/x.csv", None), ("s3://kept/x.csv", "fsspec.core")])
def test_a_driver_that_is_not_installed_is_named(
    model: RegisteredModel, monkeypatch: pytest.MonkeyPatch, uri: str, missing: str | None
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(CommandError, match="needs a package that is not installed") as refused:
        evaluate(model, "ver-00003", uri)

    assert "\n" not in str(refused.value)
