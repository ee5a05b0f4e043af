"""How PostgreSQL finds what a summary needs among a million snapshots: by index look-ups alone.

Prints the plan of the service's own statement, prepared, as the server runs it; exits with 1 if it reads a table whole.
"""

import argparse
import sys
from typing import Any

from rich.console import Console

from tests.benchmarks.dataset import make_dataset

GENERIC = "SET plan_cache_mode = force_generic_plan"


def plans(dataset_url: str, model_id: str) -> dict[str, list[str]]:
    """Return the plan of the statement, for the promoted version and for one asked for by its id."""
    import psycopg

    found = {}
    with psycopg.connect(dataset_url, autocommit=True) as connection:
        connection.execute(GENERIC)
        for name, promoted in (("of the promoted version", True), ("by version id", False)):
            sql, values = _summary_statement(promoted=promoted, model_id=model_id)
            found[name] = _explain(connection, sql, values)
    return found


def _summary_statement(*, promoted: bool, model_id: str) -> tuple[str, dict[str, Any]]:
    from django.db import connection

    from performance.snapshots.selectors import summary_statement

    compiled = summary_statement(promoted=promoted).compiled("default")
    values = {"user": 1, "family": None, "model": model_id, "number": 1, "split": "test", "dataset": ""}
    return compiled.sql, compiled.bind(values, connection)


def _explain(connection: Any, sql: str, values: dict[str, Any]) -> list[str]:
    """Prepare the statement, run it until its plan is settled, and return the plan of one more run."""
    import psycopg

    numbered = sql
    for number, name in enumerate(values, 1):
        numbered = numbered.replace(f"%({name})s", f"${number}")
    connection.execute("DEALLOCATE ALL")
    connection.execute(f"PREPARE summary AS {numbered}")
    run = psycopg.ClientCursor(connection).mogrify(
        f"EXECUTE summary ({', '.join(['%s'] * len(values))})", [*values.values()]
    )
    rows = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {run}")
    return [line for (line,) in rows]


def main() -> int:
    """Print the plans; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=1_000_000)
    options = parser.parse_args()
    dataset = make_dataset(options.snapshots)
    console = Console(highlight=False)
    whole = 0
    for name, plan in plans(dataset.url, dataset.models[0]).items():
        console.print(f"[bold]{name}, {options.snapshots:,} snapshots[/bold]")
        console.print("\n".join(plan), markup=False, soft_wrap=True)
        whole += sum("Seq Scan" in line for line in plan)
    console.print(f"Tables read whole: {whole}")
    return 1 if whole else 0


if __name__ == "__main__":
    sys.exit(main())
