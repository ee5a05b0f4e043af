"""The settings of the cache and of the storage of files."""

import sys
from pathlib import Path

import pytest
from django.core.cache import CacheHandler

from tests.config.conftest import ROOT, ReadSettings, Refusal


def test_redis_without_its_package_is_refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    line = refusal(CACHE_URL="redis://u:hunter2@host:6379/0")

    assert line.startswith("CACHE_URL names a cache whose package is not installed")
    assert "locmemcache://" in line
    assert "hunter2" not in line


def test_redis_with_its_package_is_accepted_without_a_connection(read_settings: ReadSettings) -> None:
    pytest.importorskip("redis")

    assert read_settings(CACHE_URL="redis://host:6379/0")["CACHES"]["default"]["LOCATION"] == "redis://host:6379/0"


def test_the_local_memory_keeps_the_counts_of_thousands_of_callers(read_settings: ReadSettings) -> None:
    counts = CacheHandler(read_settings(CACHE_URL="locmemcache://thousands")["CACHES"])["default"]

    for caller in range(5000):
        counts.add(f"caller-{caller}", 1)

    assert counts.get("caller-0") == 1


def test_files_go_to_a_folder_of_var_by_default(read_settings: ReadSettings) -> None:
    storage = read_settings(STORAGE_URL="")["STORAGES"]["default"]

    assert storage["BACKEND"] == "django.core.files.storage.FileSystemStorage"
    assert storage["OPTIONS"]["location"] == ROOT / "var" / "storage"
    assert storage["OPTIONS"]["file_permissions_mode"] == 0o600


def test_files_may_go_to_another_folder_which_is_created(read_settings: ReadSettings, tmp_path: Path) -> None:
    storage = read_settings(STORAGE_URL=f"file://{tmp_path}/of%20files")["STORAGES"]["default"]

    assert storage["OPTIONS"]["location"] == tmp_path / "of files"
    assert (tmp_path / "of files").is_dir()


def test_files_may_go_to_a_bucket(read_settings: ReadSettings) -> None:
    url = "s3://kept/registry/files?endpoint_url=http://127.0.0.1:9000&region_name=eu-central-1"
    storage = read_settings(STORAGE_URL=url)["STORAGES"]["default"]

    options = storage["OPTIONS"]
    assert storage["BACKEND"] == "storages.backends.s3.S3Storage"
    assert (options["bucket_name"], options["location"]) == ("kept", "registry/files")
    assert (options["endpoint_url"], options["region_name"]) == ("http://127.0.0.1:9000", "eu-central-1")


def test_a_bucket_without_its_package_is_refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "storages.backends", None)

    line = refusal(STORAGE_URL="s3://kept")

    assert line.startswith("STORAGE_URL names a bucket, but a package is not installed")
    assert "django-storages[s3]" in line
