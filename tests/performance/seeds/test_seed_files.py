"""Seed documents as JSON and YAML files, through a pipe, and files that hold none."""

import json
import os
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import CommandError, call_command

from models_registry.accounts.models import Organization
from performance.snapshots.models import MetricSnapshot
from tests.factories import EVALUATED_AT
from tests.performance.seeds.documents import DOCUMENT, MOMENT, Seed, changed, stored


def test_yaml_loads_as_json_does(seed: Seed) -> None:
    seed(DOCUMENT, name="seed.yaml")
    before = stored()

    seed(DOCUMENT)

    assert stored() == before
    assert MetricSnapshot.objects.get().evaluated_at == EVALUATED_AT


@pytest.mark.parametrize(
    ("text", "value"), [("1e300", 1e300), ("1e5", 1e5), ("1.5E3", 1500.0), ("-0.0", 0.0), ("25e-1", 2.5)]
)
@pytest.mark.parametrize("name", ["seed.json", "seed.yaml"])
def test_a_number_is_the_same_in_yaml_as_in_json(seed: Seed, name: str, text: str, value: float) -> None:
    document = changed("models.0.versions.0.snapshots.0.metrics", {"log_loss": "NUMBER"})
    seed(json.dumps(document).replace('"NUMBER"', text).encode(), name=name)

    assert repr(float(MetricSnapshot.objects.get().metrics["log_loss"])) == repr(value)


def test_a_timestamp_of_yaml_itself_is_refused(seed: Seed) -> None:
    encoded = json.dumps(DOCUMENT).replace(f'"{MOMENT}"', "!!timestamp 2026-03-13 14:22:10").encode()

    with pytest.raises(CommandError, match="evaluated_at: Datetime has wrong format"):
        seed(encoded, name="seed.yaml")


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"1: {}", "the document has the key 1"),
        (b"organizations: [{slug: a, name: A, members: {1: viewer}}]", "organizations.0.members has the key 1"),
        (b"organizations: [{slug: a, name: A, members: {yes: viewer}}]", "organizations.0.members has the key True"),
    ],
)
def test_a_key_in_yaml_that_is_not_text_is_refused_by_its_path(seed: Seed, encoded: bytes, reason: str) -> None:
    with pytest.raises(CommandError, match=f"cannot be read: {reason}, which is not text"):
        seed(encoded, name="seed.yaml")


def test_an_alias_in_yaml_is_refused(seed: Seed) -> None:
    with pytest.raises(CommandError, match="holds an alias"):
        seed(b"users: &all [{username: vera}]\norganizations: *all\n", name="seed.yaml")


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b'{"users": [], "users": []}',
        b'{"models": NaN}',
        b"[" * 100_000,
        b"organizations: [{slug: a, name: a, members: {1: viewer}}]",
        b"organizations: [{slug: a, name: a, members: {yes: viewer}}]",
        b'{"organizations": [{"slug": "a", "name": "a\\u0000b"}]}',
        b'{"organizations": [{"slug": "a", "name": "\\ud800"}]}',
    ],
)
@pytest.mark.parametrize("name", ["seed.json", "seed.yaml"])
def test_a_file_that_is_no_seed_document_is_refused(seed: Seed, encoded: bytes, name: str) -> None:
    with pytest.raises(CommandError, match=name):
        seed(encoded, name=name)

    assert not any(stored().values())


def test_a_missing_file_is_refused(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"missing\.json: cannot be read"):
        call_command("seed", str(tmp_path / "missing.json"))


def test_each_file_is_loaded_for_itself(db: None, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(DOCUMENT))
    bad.write_text(json.dumps({"organizations": [{"slug": "new", "name": "New"}], "models": [{}]}))

    with pytest.raises(CommandError, match=r"bad\.json: models\.0\.model_id: This field is required"):
        call_command("seed", str(good), str(bad), verbosity=0)

    assert list(Organization.objects.values_list("slug", flat=True)) == ["acme"]


def test_a_document_that_comes_through_a_pipe_is_loaded(db: None, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=[json.dumps(DOCUMENT).encode()])
    writer.start()

    call_command("seed", str(pipe), verbosity=0)

    writer.join()
    assert MetricSnapshot.objects.count() == 1
