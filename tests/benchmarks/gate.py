"""How long a gate of 20 rules takes beside the summary, in one run: see README.md."""

import argparse
import json
import sys
import urllib.request
from statistics import median
from typing import Any, NamedTuple

import psycopg
from rich.console import Console
from rich.table import Table

from tests.benchmarks.dataset import METRICS, Dataset, make_dataset
from tests.benchmarks.load import run_load
from tests.benchmarks.servers import Server, cpu_seconds, granian, postgresql_process, running

PATHS = {
    "summary": "/api/v1/models/{}/performance/summary",
    "gate": "/api/v1/models/{}/performance/gate",
    "gate, kept": "/api/v1/models/{}/performance/gate",
}
# Models. The service keeps 128 verdicts: all of so few, and none of all 256 until it is asked for again.
ASKED_AGAIN = {"gate, kept": 64}
RULES = [
    {"metric": metric, **more}
    for more in (
        {"operator": ">=", "threshold": 0.2},
        {"operator": "<=", "threshold": 0.9},
        {"max_regression": 0.1, "relative": True},
        {"max_regression": 0.1, "confidence": 0.95},
    )
    for metric in METRICS
][:20]
FILL = """
INSERT INTO performance_gatepolicy (organization_id, version, document, created_by, created_at)
VALUES (1, 1, %(policy)s, '', now());

INSERT INTO performance_snapshotdetail
    (snapshot_id, further_metrics, custom_metrics, confidence_intervals, per_class, curves)
SELECT snapshot.id, '{"specificity": 0.5, "balanced_accuracy": 0.5}', '{}', %(intervals)s, %(classes)s, '{}'
FROM performance_metricsnapshot snapshot
JOIN models_registry_version version ON version.id = snapshot.version_id
JOIN models_registry_registeredmodel model USING (model_id)
WHERE model.organization_id = 1
"""


def main() -> None:
    """Measure both in turn, print the table, and exit with 1 when the gate takes too many times as long."""
    options = _options()
    dataset = make_dataset(options.snapshots)
    _fill(dataset)
    costs: dict[str, list[Cost]] = {name: [] for name in PATHS}
    with running(granian, "config.wsgi:application", {}) as server:
        _check(server.port, dataset)
        for _ in range(options.rounds + 1):  # the first warms up
            for name in PATHS:
                costs[name].append(_measure(server, dataset, name, options))
    ratios = _print(costs, f"{options.snapshots:,} snapshots, {len(RULES)} rules")
    sys.exit(ratios.time > options.limit)


class Cost(NamedTuple):
    """What a request costs, in milliseconds: the time, and the CPU time of the server and of PostgreSQL."""

    time: float
    server: float
    postgresql: float


def _measure(server: Server, dataset: Dataset, name: str, options: argparse.Namespace) -> Cost:
    """Send requests for some seconds, and return what each cost."""
    processes = [server.process, postgresql_process(dataset.url)]
    before = [*map(cpu_seconds, processes)]
    latencies = run_load(
        server.port,
        _requests(name, dataset),
        expected=200,
        connections=options.connections,
        seconds=options.seconds,
    )
    taken = [cpu_seconds(process) - earlier for process, earlier in zip(processes, before, strict=True)]
    return Cost(*(1000 * seconds / len(latencies) for seconds in (options.seconds, *taken)))


def _print(costs: dict[str, list[Cost]], title: str) -> Cost:
    """Print the medians, and return how many times the summary's cost the gate's is, at the median of the rounds."""
    table = Table("", "ms a request", "CPU ms", "PostgreSQL CPU ms", title=title)
    for name, found in costs.items():
        table.add_row(name, *(f"{median(each):.3f}" for each in zip(*found[1:], strict=True)))
    ratios = {name: _ratio(found, costs["summary"]) for name, found in costs.items() if name != "summary"}
    for name, ratio in ratios.items():
        table.add_row(f"{name} × summary", *(f"{each:.2f}" for each in ratio))
    Console().print(table)
    return ratios["gate"]


def _ratio(costs: list[Cost], others: list[Cost]) -> Cost:
    """Return how many times the others' costs are, at the median of the rounds. The first warmed up."""
    rounds = zip(costs[1:], others[1:], strict=True)
    ratios = [Cost(*(one / other if other else 0.0 for one, other in zip(*pair, strict=True))) for pair in rounds]
    return Cost(*map(median, zip(*ratios, strict=True)))


def _fill(dataset: Dataset) -> None:
    """Give the read models a policy, and their snapshots what an evaluation stores."""
    interval = {"lower": 0.45, "upper": 0.55, "method": "wilson", "level": 0.95}
    values: dict[str, Any] = {
        "policy": {"dataset_split": "test", "rules": RULES},
        "intervals": dict.fromkeys(METRICS, interval),
        "classes": dict.fromkeys(("good", "bad"), dict.fromkeys(("precision", "recall", "f1_score", "support"), 0.5)),
    }
    with psycopg.connect(dataset.url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in FILL.split(";\n"):
            connection.execute(statement, {name: json.dumps(value) for name, value in values.items()})
        connection.execute("VACUUM ANALYZE")


def _check(port: int, dataset: Dataset) -> None:
    """Check that every rule is judged by what is there. Raises `SystemExit`."""
    request = urllib.request.Request(  # noqa: S310
        f"http://127.0.0.1:{port}{PATHS['gate'].format(dataset.models[0])}",
        headers={"Authorization": f"Bearer {dataset.tokens[0]}"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        rules = json.load(answer)["rules"]
    missing = [rule["detail"] for rule in rules if rule["status"] == "missing"]
    if missing or len(rules) != len(RULES):
        raise SystemExit("\n".join([f"{len(rules)} rules were judged, of these missing:", *missing]))


def _requests(name: str, dataset: Dataset) -> list[bytes]:
    """Return requests of many callers for many models, as they go over the wire."""
    models = dataset.models[: ASKED_AGAIN.get(name)]
    return [
        f"GET {PATHS[name].format(model)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {dataset.tokens[number % len(dataset.tokens)]}\r\n\r\n".encode()
        for number, model in enumerate(models * 2)
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gate", description=__doc__)
    parser.add_argument("--snapshots", type=int, default=100_000, help="rows in the table of snapshots")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--limit", type=float, default=1.5, help="times the summary that a gate may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
