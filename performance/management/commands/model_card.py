"""`manage.py model_card MODEL VERSION`: print the model card of a version."""

import argparse

from django.core.management.base import BaseCommand, CommandError

from models_registry.api.errors import APIError
from performance.management.lookup import find_model, find_version
from performance.model_cards.renderers import RENDERERS
from performance.model_cards.selectors import model_card


class Command(BaseCommand):
    """Prints a model card."""

    requires_system_checks = ()  # they would import every view, which takes a third of the time
    help = (
        "Print the model card of a version: its description, its newest metrics with intervals, slices, the verdict of "
        "its gate and its parameters. The Markdown begins with metadata as on the Hugging Face Hub."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="such as mdl-7f3a19bc92")
        parser.add_argument("version", metavar="VERSION", help="such as ver-001a1")
        parser.add_argument("--format", choices=[*RENDERERS], default="markdown")

    def handle(self, *, model: str, version: str, format: str, **options: object) -> None:
        """Print the card."""
        try:
            found = find_version(find_model(model), version)
        except APIError as error:
            raise CommandError(error.detail) from None
        self.stdout.write(RENDERERS[format](model_card(found)).rstrip())
