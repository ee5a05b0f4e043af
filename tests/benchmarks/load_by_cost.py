"""Attacks the service by cost, in every way that is known, and prints what its light requests take meanwhile.

uv run --group bench python -m tests.benchmarks.load_by_cost
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.servers import cpu_seconds
from tests.database import start_postgresql
from tests.reliability.attacks import ATTACKS, LOCKED
from tests.reliability.load import LIMIT, SECONDS, Attack, Blows, Service, serving, shown


def services(names: list[str]) -> Iterator[tuple[Service, list[Attack]]]:
    """Yield a service on PostgreSQL, then one on SQLite, each with the attacks that it is to bear."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [attack for attack in ATTACKS if attack.name in names]
        if asked:
            with serving(Path(folder), start_postgresql(), workers=2) as service:
                yield service, asked
    with tempfile.TemporaryDirectory() as folder:
        if LOCKED.name in names:
            with serving(Path(folder), f"sqlite:///{folder}/registry.sqlite3", workers=1, large=False) as service:
                yield service, [LOCKED]


def _problem(attack: Attack, service: Service, blows: Blows) -> str:
    try:
        attack.check(service, blows)
    except AssertionError as error:
        return str(error)
    return ", ".join(f"{status} is answered" for status in blows.statuses.keys() - attack.answers)


def main() -> int:
    """Print the table; return the exit status."""
    every = [attack.name for attack in (*ATTACKS, LOCKED)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=LIMIT, metavar="SECONDS", help="at the 99th percentile")
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="ATTACK")
    options = parser.parse_args()
    console = Console(highlight=False, width=160)
    console.print(
        "Light requests: milliseconds at p50 / p99 / most. CPU: of the server, for each of the attackers' answers."
    )
    table = Table("attack", "/healthz", "summary", "attackers' answers", "CPU, ms", "what else is wrong")
    good = True
    for service, attacks in services(options.only):
        for number in range(options.rounds):
            for attack in attacks:
                before = cpu_seconds(psutil.Process(service.server_pid))
                service.settle()
                figures, blows = attack.round(service, number, options.seconds)
                cost = (cpu_seconds(psutil.Process(service.server_pid)) - before) / max(blows.statuses.total(), 1)
                own = f"{dict(blows.statuses)}, {blows.largest:,} B at most"
                light = shown(figures.healthz), shown(figures.summary)
                table.add_row(attack.name, *light, own, f"{cost * 1000:,.1f}", _problem(attack, service, blows))
                console.print(f"{attack}: {figures}; {own}; {cost * 1000:,.1f} ms of CPU")
                good = good and figures.are_within(options.limit)
    console.print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
