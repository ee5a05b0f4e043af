"""How long `purge` takes to delete millions of old audit entries, and how much memory.

Prints the rows deleted a second, the slowest batch and the peak memory; exits with 1 if a batch takes longer than
`--limit` or the process grows by more than `--growth`.
"""

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from tests.benchmarks.audit import fill_fast, start


def peak_memory() -> int:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Timed:
    """The seconds of the statements that run, and the slowest of them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.slowest = ""

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run a statement."""
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seconds = time.perf_counter() - began
            if seconds > max(self.seconds, default=0.0):
                self.slowest = sql[:200]
            self.seconds.append(seconds)


def purge() -> tuple[int, float, Timed]:
    """Delete what is past its retention. Return the number of rows, the seconds, and the statements."""
    from django.db import connection

    from models_registry.audit.services import delete_audit_entries

    statements, began = Timed(), time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 5000")  # as the service has it
    with connection.execute_wrapper(statements):
        deleted = delete_audit_entries()
    return deleted, time.perf_counter() - began, statements


def main() -> int:
    """Print the figures; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000_000, help="of 700 days; all but 30 are deleted")
    parser.add_argument("--limit", type=float, default=1, metavar="SECONDS")
    parser.add_argument("--growth", type=int, default=200, metavar="MIB")
    options = parser.parse_args()
    os.environ.update(AUDIT_RETENTION_DAYS="30", AUDIT_DENIAL_RETENTION_DAYS="30")
    console = Console(highlight=False)
    start()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill_fast(options.entries)
    before = peak_memory()
    deleted, seconds, statements = purge()
    slowest, median = max(statements.seconds), statistics.median(statements.seconds)
    growth = peak_memory() - before
    console.print(
        f"{deleted:,} of {options.entries:,} entries deleted in {seconds:,.0f} s ({deleted / seconds:,.0f} a second); "
        f"slowest statement {slowest * 1000:,.0f} ms, median {median * 1000:,.0f} ms; "
        f"the process grew by {growth} MiB to {peak_memory()} MiB."
    )
    console.print(f"The slowest: {statements.slowest}")
    return 1 if slowest > options.limit or growth > options.growth else 0


if __name__ == "__main__":
    sys.exit(main())
