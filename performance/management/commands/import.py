"""`manage.py import FORMAT FILE…`: import what other tools have stored."""

import argparse
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from models_registry import task_types
from models_registry.accounts.models import Organization
from models_registry.api.errors import APIError, InvalidInputError
from models_registry.audit.context import escape_controls
from performance.imports.document import ImportedDocument, ReadError
from performance.imports.folders import files_in, read_file
from performance.imports.formats import FORMATS, Format
from performance.imports.mlflow.tracking_server import TrackingServer
from performance.imports.resolve import ImportOptions
from performance.imports.services import ImportResult, import_document
from performance.snapshots.models import DatasetSplit


class Command(BaseCommand):
    """Imports files, each in a transaction of its own."""

    help = (
        "Import what other tools have stored, each file completely or not at all. Importing one again changes nothing. "
        "The formats: " + "; ".join(f"{each.name}, {each.description}" for each in FORMATS.values()) + "."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("format", choices=[*FORMATS], metavar="FORMAT", help=", ".join(FORMATS))
        parser.add_argument("files", nargs="*", metavar="FILE", help="a file, a folder or a pattern such as 'runs/*'")
        parser.add_argument("--tracking-uri", metavar="URL", help="of mlflow: import a whole tracking server")
        parser.add_argument("--organization", metavar="SLUG", help="the owner; by default the only one there is")
        parser.add_argument("--model", default="", metavar="NAME", help="the model, if a file does not name one")
        parser.add_argument(
            "--task-type",
            default="",
            choices=[name for name, _ in task_types.choices()],
            metavar="TYPE",
            help="the task type of new models; by default the one that a file or its metrics say",
        )
        parser.add_argument(
            "--split",
            default=DatasetSplit.TEST,
            choices=DatasetSplit.values,
            help="the split of metrics for which a file says none",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")

    def handle(self, *, organization: str | None, dry_run: bool, **options: Any) -> None:
        """Import each document; the first that is refused ends the command with exit status 1."""
        owner = _organization(organization)
        given = ImportOptions(options["model"], options["task_type"], options["split"])
        format = FORMATS[options["format"]]
        if bool(options["tracking_uri"]) == bool(options["files"]):
            raise CommandError("Name either files, or with mlflow --tracking-uri.")
        if options["tracking_uri"] and format.name != "mlflow":
            raise CommandError("Only mlflow has tracking servers.")
        for name, document in _documents(format, options["files"], options["tracking_uri"]):
            try:
                result = import_document(
                    organization=owner,
                    document=document,
                    file_name=name,
                    format_name=format.name,
                    options=given,
                    imported_by=None,
                    dry_run=dry_run,
                )
            except APIError as error:
                raise CommandError(_message(name, error)) from None
            if options["verbosity"]:
                self._print(result)

    def _print(self, result: ImportResult) -> None:
        counts = ", ".join(f"{count} {name}" for name, count in result.created.items())
        verb = "would be created" if result.dry_run else "created"
        same = ", ".join(f"{count} {name}" for name, count in result.unchanged.items() if count) or "nothing"
        self.stdout.write(escape_controls(f"{result.file}: {verb}: {counts}; unchanged: {same}"))
        for item in result.skipped:
            self.stdout.write(escape_controls(f"  skipped: {item.place}: {item.reason}"))


def _organization(slug: str | None) -> Organization:
    """Return the organization that owns what is imported. Raises `CommandError`."""
    organizations = Organization.objects.order_by("slug")
    found = list((organizations if slug is None else organizations.filter(slug=slug))[:2])
    if not found:
        raise CommandError(f"There is no organization {slug}." if slug else "There is no organization yet.")
    if len(found) > 1:
        raise CommandError("There are several organizations. Name one: --organization SLUG.")
    return found[0]


def _documents(format: Format, names: list[str], tracking_uri: str | None) -> Iterator[tuple[str, ImportedDocument]]:
    """Yield what the arguments name, each document with a name for messages. Raises `CommandError`."""
    source = "The tracking server"  # whose address may contain a login until it is checked
    try:
        if tracking_uri:
            server = TrackingServer(tracking_uri, os.environ)
            source = server.url
            yield from server.read()
        for source in map(str, _paths(names)):
            if not Path(source).is_dir():
                yield source, format.read(read_file(Path(source)))
            elif format.read_folder:
                yield from format.read_folder(Path(source))
            else:
                for path in files_in(Path(source), format.suffixes):
                    source = str(path)
                    yield source, format.read(read_file(path))
    except ReadError as error:
        raise CommandError(escape_controls(f"{source} cannot be imported: {error}")) from None


def _paths(names: list[str]) -> Iterator[Path]:
    """Yield the files and folders that the arguments name. Raises `CommandError`."""
    for name in names:
        paths = [Path(name)] if Path(name).exists() else [Path(each) for each in sorted(glob.glob(name))]
        if not paths:
            raise CommandError(f"There is no file {name}.")
        yield from paths


def _message(name: str, error: APIError) -> str:
    """Return a refusal with each place that is wrong."""
    places = error.errors[1:] if isinstance(error, InvalidInputError) else []
    lines = [error.detail, *(f"  {place}: {reason}" for place, _, reason in places)]
    text = "\n".join(map(escape_controls, lines))
    return text if text.startswith(name) else f"{name}: {text}"
