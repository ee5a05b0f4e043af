"""The client as a package of its own."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from tests.serving import ROOT

CLIENT = ROOT / "client"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]


def test_its_wheel_has_the_modules_the_mark_of_types_and_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=CLIENT, check=True, capture_output=True)

    [wheel] = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [scripts] = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    modules = {f"performance_registry/{file.name}" for file in (CLIENT / "performance_registry").glob("*.py")}

    assert {name for name in names if ".dist-info/" not in name} == modules | {"performance_registry/py.typed"}
    assert "mpr = performance_registry.__main__:main" in scripts


def test_it_has_the_version_of_the_service() -> None:
    assert PROJECT["version"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_it_needs_neither_django_nor_what_its_extras_bring() -> None:
    script = "import sys, performance_registry; print({'django', 'pyarrow', 'typer'} & set(sys.modules))"
    command = [sys.executable, "-c", script]

    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "set()\n"
