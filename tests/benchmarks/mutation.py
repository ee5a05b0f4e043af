"""How many faults that are put into the gates their tests find: see README.md."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("models_registry/task_types", "performance/metrics")
GATES = tuple(
    f"performance/gates/{name}.py"
    for name in ("gate_input", "gate_metrics", "policy", "renderers", "rules", "tables", "verdict")
)
TESTS = tuple(
    f"tests/performance/gates/{name}.py" for name in ("cases", "test_judging", "test_policy", "test_renderers")
)
FILES = (
    *GATES,
    *TESTS,
    "tests/performance/gates/junit.xsd",
    "performance/formatting.py",
    "performance/snapshots/charts.py",
    "performance/snapshots/metric_names.py",
    "performance/snapshots/tables.py",
)
PACKAGES = (
    "models_registry",
    "performance",
    "performance/gates",
    "performance/snapshots",
    "tests",
    "tests/performance",
    "tests/performance/gates",
)
CONFIGURATION = """[mutmut]
source_paths=performance/gates
also_copy=
    models_registry
    performance
    tests
pytest_add_cli_args_test_selection=tests/performance/gates
pytest_add_cli_args=
    -p no:django
    --hypothesis-profile=ci
debug=false
"""
LEAST_KILLED = 0.9
ALIVE = (0, 5, 33, None)  # with what the tests end that notice nothing, or are none


def main() -> None:
    """Put faults into a copy of the gates, run their tests, and exit with 1 when too many faults go unnoticed."""
    with TemporaryDirectory() as folder:
        copy_into(Path(folder))
        subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=folder, check=True)
        found = results(Path(folder))
    alive = [name for name, exit_code in found.items() if exit_code in ALIVE]
    killed = 1 - len(alive) / len(found)
    print(*alive, f"{len(found) - len(alive)} of {len(found)} faults were noticed: {killed:.1%}", sep="\n")
    sys.exit(killed < LEAST_KILLED)


def copy_into(folder: Path) -> None:
    """Copy the gates, what they stand on, and their tests."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*(f"{package}/__init__.py" for package in PACKAGES), *FILES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "setup.cfg").write_text(CONFIGURATION)


def results(folder: Path) -> dict[str, int | None]:
    """Return with what the tests ended for each fault."""
    found: dict[str, int | None] = {}
    for file in (folder / "mutants" / "performance" / "gates").glob("*.py.meta"):
        found |= json.loads(file.read_text())["exit_code_by_key"]
    return found


if __name__ == "__main__":
    main()
