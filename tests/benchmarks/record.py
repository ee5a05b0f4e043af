"""Runs a benchmark and writes what it printed into the README, with the commit, the machine and the versions."""

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.serving import ROOT

README = Path(__file__).with_name("README.md")
PACKAGES = ("django", "djangorestframework", "psycopg", "granian", "duckdb")
WIDTH = "160"  # columns of a table


def main() -> None:
    """Run the benchmark, print what it prints, and replace its recorded result. Exits with the benchmark's status."""
    options = _options()
    command = [sys.executable, "-m", f"tests.benchmarks.{options.name}", *options.arguments]
    ended = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env={**os.environ, "COLUMNS": WIDTH}, stdout=subprocess.PIPE, text=True, check=False
    )
    print(ended.stdout, end="")
    if ended.stdout:
        readme = options.readme.read_text()
        options.readme.write_text(
            replaced(readme, options.place or options.name, _record(options, ended.stdout, ended.returncode))
        )
    sys.exit(ended.returncode)


def replaced(readme: str, name: str, record: str) -> str:
    """Return the README with another record of a benchmark. Exits if it has no place for one."""
    place = re.compile(rf"(?<=<!-- recorded: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    if not place.search(readme):
        sys.exit(f"There is no `<!-- recorded: {name} -->` with an end in the README.")
    return place.sub(lambda _: record, readme)


def _record(options: argparse.Namespace, printed: str, status: int) -> str:
    lines = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    command = " ".join(["python -m tests.benchmarks." + options.name, *options.arguments])
    return (
        f"\n`{command}` at commit {_commit()}, {datetime.now(UTC):%Y-%m-%d}, ended with {status}. "
        f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}, {versions}:\n\n"
        f"```text\n{lines}\n```\n\n"
    )


def _commit() -> str:
    """Return the commit that is checked out. A tree with other changes than to the README has none."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!tests/benchmarks/README.md")
    return _git("rev-parse", "--short=7", "HEAD") + (" with changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def _processor() -> str:
    names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return names[0] if names else platform.machine()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--place", help="the name of the place in the README, for a second run of a benchmark")
    parser.add_argument("name")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


if __name__ == "__main__":
    main()
