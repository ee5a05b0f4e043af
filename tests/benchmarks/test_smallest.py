"""Each benchmark starts and ends, with its smallest sizes. How fast it is means nothing here.

A benchmark takes a server or a million rows in earnest, so no other run of the tests has these:
`uv run --group dev --group bench pytest -m benchmark`.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.benchmarks.record import README
from tests.serving import ROOT

FOLDER = Path(__file__).parent
BENCHMARKS = sorted(
    file.stem for file in FOLDER.glob("*.py") if "\nif __name__ ==" in file.read_text() and file.stem != "record"
)
PACKAGES = ("asyncpg", "fastapi", "gunicorn", "httptools", "mutmut", "psutil", "uvicorn", "uvloop")
ENDS_WITHIN = 900  # seconds

# With limits that a busy machine keeps.
SMALLEST = {
    "audit": "--entries 12000 --rounds 1 --limit 60",
    "coverage": "--size 40 --runs 2 --bootstraps 1 --resamples 2",
    "evaluation": "--rows 1000 --rounds 1",
    "gate": "--snapshots 2000 --rounds 1 --seconds 0.2 --connections 2 --limit 1000",
    "ingest": "--clients 2 --seconds 0.5 --rounds 1 --rows 100 --snapshots 10000",
    "lists": "--snapshots 3000 --models 30 --organizations 3 --entries 12000 --rounds 1 --limit 60",
    "load_by_cost": "--seconds 0.5 --limit 60 --only schema",
    "mutation": "--only gate_metrics",
    "numbering": "--clients 4 --versions 3",
    "outage": "--outages 1 --clients 2 --seconds 1 --frozen 9 --limit 60",
    "plan": "--snapshots 20000",
    "purge": "--entries 2000 --limit 60 --growth 1000",
    "restarts": "--restarts 1 --clients 2 --seconds 1",
    "spark": "--rows 1000 --rounds 1",
    "summary": "--snapshots 2000 --rounds 1 --seconds 0.2 --connections 2",
    "worker": "--rounds 1",
}


@pytest.fixture(scope="module")
def benchmarks_are_asked_for(request: pytest.FixtureRequest) -> None:
    """Skip benchmarks unless `-m benchmark` asks for them; then, fail if what they need is missing."""
    if request.config.getoption("markexpr") != "benchmark":
        pytest.skip("benchmarks run by themselves: uv run --group dev --group bench pytest -m benchmark")
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        pytest.fail(f"There is no {' and no '.join(missing)}: uv run --group dev --group bench pytest -m benchmark")


@pytest.mark.benchmark
@pytest.mark.usefixtures("benchmarks_are_asked_for")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_starts_and_ends_with_its_smallest_sizes(name: str) -> None:
    if name == "spark":
        pytest.importorskip("pyspark", reason="Apache Spark is not installed: add --extra spark")
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *SMALLEST[name].split()]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False)

    assert ended.returncode == 0, f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    assert ended.stdout


def test_every_benchmark_has_its_smallest_sizes_and_a_place_in_the_readme() -> None:
    assert list(SMALLEST) == BENCHMARKS
    places = re.findall(r"^## `(\w+)`$.*?^<!-- recorded: (\w+) -->$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert sorted(places) == [(name, name) for name in BENCHMARKS]


def test_a_record_stands_in_the_readme_with_its_commit(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- recorded: plan of few -->\nold\n<!-- end -->\nafter\n")
    command = [sys.executable, "-m", "tests.benchmarks.record", "--readme", str(readme)]
    command += ["--place", "plan of few", "plan", "--help"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    written = readme.read_text()
    assert ended.returncode == 0, ended.stderr
    assert "`python -m tests.benchmarks.plan --help` at commit " in written
    assert f"```text\n{ended.stdout.splitlines()[0]}\n" in written
    assert written.startswith("before\n<!-- recorded: plan of few -->\n")
    assert written.endswith("<!-- end -->\nafter\n")
    assert "old" not in written
