"""The README's story of a pipeline, pasted into a shell."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.demo_data import serve_demo_data
from tests.e2e.test_docs import README, section
from tests.reliability.databases import new_database

TOOLS = ("bash", "curl", "jq")

pytestmark = [
    pytest.mark.served,
    pytest.mark.django_db,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)} (Debian: apt-get install)"),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a reader pastes what the README says, with the demo's data served."""
    with serve_demo_data(new_database(tmp_path_factory.mktemp("registry"))) as (url, access):
        yield {**os.environ, "REGISTRY_URL": url, "REGISTRY_TOKEN": access, "JOB_ID": "4711"}


def paste(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)


def test_the_story_of_a_pipeline_goes_as_told(environment: dict[str, str]) -> None:
    story = section(README, "From training to production")
    _, script = re.findall(r"```bash\n(.*?)```", story, re.S)
    [printed] = re.findall(r"```\n([^`]+?)```\n", story.split("prints\n", 1)[1], re.S)
    assert script.count("curl ") == 6

    run, again = paste(script, environment), paste(script, environment)

    assert (run.returncode, run.stdout) == (0, printed), run.stderr
    assert again.returncode == 22, "the name is taken, which must stop the script"


def test_a_gate_judges_with_confidence_as_told(environment: dict[str, str]) -> None:
    told = section(README, "Gates")
    [script] = re.findall(r"```bash\n(.*?)```", told, re.S)
    [printed] = re.findall(r"```\n([^`]+?)```\n", told.split("prints\n", 1)[1], re.S)
    [enforced] = re.findall(
        r"```bash\n(curl.*?)```", section(README, "In a pipeline").split("\n\n[fixtures/ci]")[0], re.S
    )

    runs = [paste(command, environment) for command in (script, enforced)]

    assert (runs[0].returncode, runs[0].stdout) == (0, printed), runs[0].stderr
    assert (runs[1].returncode, '"status":"no_policy"' in runs[1].stdout) == (0, True), runs[1].stderr
