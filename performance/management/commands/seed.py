"""`manage.py seed FILE…`: load seed documents."""

import argparse
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from performance.seeds.document import SeedError
from performance.seeds.files import read_document
from performance.seeds.services import load_document


class Command(BaseCommand):
    """Loads seed documents, each in a transaction of its own."""

    help = "Load seed documents (JSON or YAML), each completely or not at all. Loading one again changes nothing."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a seed document")
        parser.add_argument("--dry-run", action="store_true", help="only check the documents")

    def handle(self, *, files: list[Path], dry_run: bool, **options: object) -> None:
        """Load each file; the first that is refused ends the command with exit status 1."""
        for file in files:
            self._load(file, dry_run=dry_run)
            if options["verbosity"]:
                self.stdout.write(f"{file}: {'would be loaded' if dry_run else 'loaded'}")

    def _load(self, file: Path, *, dry_run: bool) -> None:
        try:
            document = read_document(file)
            with Progress(console=Console(stderr=True), transient=True) as progress:
                task = progress.add_task(str(file), total=len(document.model_readers))
                load_document(document, on_model=lambda: progress.advance(task), dry_run=dry_run)
        except SeedError as error:
            raise CommandError(_with_file(file, str(error))) from None


def _with_file(file: Path, message: str) -> str:
    return message if message.startswith(f"{file}: ") else f"{file}: {message}"
