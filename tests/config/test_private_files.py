"""What the service keeps in files is its owner's alone, from the beginning."""

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import django
import pytest

from models_registry.db.secret_files import restrict_to_owner
from tests.demo_data import FAST_HASHING, write_seed
from tests.originals import migrate
from tests.serving import ROOT, new_keys

Run = Callable[..., "subprocess.CompletedProcess[str]"]
WITHOUT_DATABASE = [
    *([["check"]] if django.VERSION < (6, 1) else []),  # later it checks the database
    ["collectstatic", "--no-input"],
    ["diffsettings"],
]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the service."""
    folder = tmp_path_factory.mktemp("service")
    for name in ("config", "models_registry", "performance", "fixtures"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))  # one being written
    shutil.copy(ROOT / "manage.py", folder)
    (folder / "config" / "fast_hashing.py").write_text(FAST_HASHING)
    write_seed(folder / "fixtures" / "seed.json", "mdl-7f3a19bc92", "mdl-5ad2c7710e")
    return folder


@pytest.fixture
def installed(copied: Path) -> Iterator[Path]:
    """Return a copy of the service without data, in which `var` is its own."""
    yield copied
    shutil.rmtree(copied / "var", ignore_errors=True)


@pytest.fixture
def run(installed: Path) -> Run:
    """Return how to run a management command there, by a user whose new files everybody may read."""

    def command(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.fast_hashing",
            **new_keys(),
            **settings,
        }
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=installed,
            env=environment,
            umask=0o022,
            capture_output=True,
            text=True,
            check=True,
        )

    return command


def test_only_the_owner_can_read_the_database_and_its_files(run: Run, installed: Path) -> None:
    run("showmigrations")

    database = installed / "var" / "registry.sqlite3"
    assert mode(installed / "var") == 0o700
    assert mode(database) == 0o600
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (i int)")
        assert {mode(Path(f"{database}{suffix}")) for suffix in ("-wal", "-shm")} == {0o600}


def test_commands_without_a_database_create_none(run: Run, installed: Path) -> None:
    called = [f"call_command({', '.join(map(repr, command))})" for command in WITHOUT_DATABASE]

    run("shell", "--no-imports", "--command", "\n".join(["from django.core.management import call_command", *called]))

    assert not (installed / "var").exists()


def test_a_file_system_without_permissions_does_not_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "chmod", refuse)  # as tests cannot mount a file system
    file = tmp_path / "registry.sqlite3"
    file.touch(mode=0o644)

    restrict_to_owner(file)

    assert f"read {file}" in caplog.text
    assert "Read-only file system" in caplog.text


def test_the_start_restricts_files_that_others_could_read(run: Run, installed: Path) -> None:
    var = installed / "var"
    folders = [var, var / "storage", var / "tmp"]
    files = [var / "registry.sqlite3", var / "registry.sqlite3-wal", var / "registry.sqlite3-shm", var / "demo.env"]
    for folder in folders:
        folder.mkdir(mode=0o755)
    for file in files:
        file.touch(mode=0o644)

    run("diffsettings")  # it opens no database, which would delete an empty write-ahead log

    assert {mode(folder) for folder in folders} == {0o700}
    assert {mode(file) for file in files} == {0o600}


def test_only_the_owner_can_read_the_demos_files(run: Run, installed: Path) -> None:
    var = installed / "var"
    var.mkdir(mode=0o755)
    migrate(f"sqlite:///{var}/registry.sqlite3")  # as the demo would, but that takes seconds

    run("demo", "--no-serve")

    assert (var / "demo.env").exists()
    assert {mode(path) for path in var.rglob("*") if path.is_dir()} <= {0o700}
    assert {mode(path) for path in var.rglob("*") if path.is_file()} == {0o600}


def test_a_new_storage_folder_is_private_and_an_existing_one_is_unchanged(run: Run, tmp_path: Path) -> None:
    run(
        "showmigrations",
        DATABASE_URL=f"sqlite:///{tmp_path}/new/folder/data.sqlite3",
        STORAGE_URL=f"file://{tmp_path}/files",
    )
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    run("showmigrations", DATABASE_URL=f"sqlite:///{shared}/data.sqlite3")

    assert {mode(tmp_path / name) for name in ("new", "new/folder", "files")} == {0o700}
    assert mode(shared) == 0o755
    assert {mode(folder / "data.sqlite3") for folder in (tmp_path / "new/folder", shared)} == {0o600}
