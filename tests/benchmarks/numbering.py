"""64 clients create 50 versions each of one model at once: the numbers have no gap and no duplicate.

uv run --group dev --group bench python -m tests.benchmarks.numbering
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from models_registry.registry.ids import version_number
from tests.benchmarks.live import Client, Service, new_service
from tests.benchmarks.servers import granian, running

OVERLOADED = 503


def create(service: Service, port: int, path: str, versions: int) -> list[int]:
    """Return the numbers of the versions that one client created, which asks again when the response says so."""
    client = Client(port, service.access)
    numbers: list[int] = []
    while len(numbers) < versions:
        status, content = client.ask("POST", path, {})
        if status == OVERLOADED:
            time.sleep(0.05)
            continue
        if status != 201:
            raise RuntimeError(f"{status}: {content}")
        numbers.append(version_number(content["version_id"]))
    return numbers


def main() -> int:
    """Print what was found; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--versions", type=int, default=50)
    options = parser.parse_args()
    service = new_service()
    with running(granian, "config.wsgi:application", service.settings) as server:
        made = {"organization": "acme", "name": "numbering", "task_type": "regression"}
        _, model = Client(server.port, service.access).ask("POST", "/api/v1/models", made)
        path = f"/api/v1/models/{model['model_id']}/versions"
        started = time.perf_counter()
        with ThreadPoolExecutor(options.clients) as threads:
            creating = [
                threads.submit(create, service, server.port, path, options.versions) for _ in range(options.clients)
            ]
        numbers = sorted(number for one in creating for number in one.result())
        seconds = time.perf_counter() - started
    whole = numbers == [*range(1, options.clients * options.versions + 1)]
    verdict = "without gap or duplicate" if whole else "WITH A GAP OR A DUPLICATE"
    Console(highlight=False).print(f"1 to {numbers[-1]:,}, {verdict}, in {seconds:.0f} s")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
