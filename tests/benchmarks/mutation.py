"""How many faults that are put into the gates their tests find: see README.md."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
APPS = ("models_registry", "performance")
MODULES = (
    "gate_input",
    "gate_metrics",
    "measurement",
    "needed_examples",
    "policy",
    "policy_document",
    "regression",
    "renderers",
    "requirements",
    "rules",
    "tables",
    "threshold",
    "verdict",
)
TESTS = tuple(
    f"tests/performance/gates/{name}.py"
    for name in (
        "cases",
        "policy_errors",
        "rules",
        "stored_documents",
        "test_comparability",
        "test_invalid_policies",
        "test_limits_on_regression",
        "test_needed_sample_count",
        "test_policy",
        "test_policy_messages",
        "test_renderers",
        "test_requirements",
        "test_stored_documents",
        "test_thresholds",
        "test_verdict",
    )
)
FILES = (
    *TESTS,
    "tests/__init__.py",
    "tests/performance/__init__.py",
    "tests/performance/gates/__init__.py",
    "tests/performance/gates/junit.xsd",
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
only_mutate="""
LEAST_KILLED = 0.9
ALIVE = (0, 5, 33, None)  # with what the tests end that notice nothing, or are none


def main() -> None:
    """Put faults into a copy of the gates, run their tests, and exit with 1 when too many faults go unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mutation", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MODULES, default=MODULES, help="modules that get faults")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        copy_into(Path(folder), options.only)
        subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=folder, check=True)
        found = results(Path(folder), options.only)
    alive = [name for name, exit_code in found.items() if exit_code in ALIVE]
    killed = 1 - len(alive) / len(found)
    print(*alive, f"{len(found) - len(alive)} of {len(found)} faults were noticed: {killed:.1%}", sep="\n")
    sys.exit(killed < LEAST_KILLED)


def copy_into(folder: Path, modules: Sequence[str]) -> None:
    """Copy the apps and the tests of gates, and say which modules get faults."""
    for name in APPS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "setup.cfg").write_text(CONFIGURATION + "".join(f"\n    performance/gates/{name}.py" for name in modules))


def results(folder: Path, modules: Sequence[str]) -> dict[str, int | None]:
    """Return with what the tests ended for each fault of the modules."""
    found: dict[str, int | None] = {}
    for module in modules:
        file = folder / "mutants" / "performance" / "gates" / f"{module}.py.meta"
        found |= json.loads(file.read_text())["exit_code_by_key"]
    return found


if __name__ == "__main__":
    main()
