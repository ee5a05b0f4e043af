"""`manage.py doctor`: say what is wrong with an installation."""

import sys

from django.core.management.base import BaseCommand, CommandParser

from performance.management.diagnosis import diagnose
from performance.management.findings import as_json, as_text, exit_status


class Command(BaseCommand):
    """Examines everything that the service needs, and prints one line for each thing."""

    help = (
        "Say what is wrong with settings, keys, proxy headers, database, migrations, role, worker, storage and cache, "
        "and what to do. The exit status is 1 if there is an error, and 0 otherwise."
    )
    requires_system_checks = []  # it reports what they find

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the form of the report."""
        parser.add_argument("--json", action="store_true", help="print one JSON list")

    def handle(self, *, json: bool, **options: object) -> None:
        """Print the findings and exit with 1 if one is an error."""
        findings = list(diagnose())
        self.stdout.write((as_json if json else as_text)(findings))
        sys.exit(exit_status(findings))
