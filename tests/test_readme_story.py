"""The README's story of a pipeline, pasted into a shell."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reliability.databases import new_database
from tests.serving import serve_demo_data
from tests.test_docs import README, section

TOOLS = ("bash", "curl", "jq")

pytestmark = [
    pytest.mark.served,
    pytest.mark.django_db,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)} (Debian: apt-get install)"),
]


def test_the_story_of_a_pipeline_goes_as_told(tmp_path: Path) -> None:
    story = section(README, "From training to production")
    _, script = re.findall(r"```bash\n(.*?)```", story, re.S)
    [printed] = re.findall(r"```\n([^`]+?)```\n", story.split("prints\n", 1)[1], re.S)
    assert script.count("curl ") == 6

    with serve_demo_data(new_database(tmp_path)) as (url, access):
        told = {**os.environ, "REGISTRY_URL": url, "REGISTRY_TOKEN": access, "JOB_ID": "4711"}
        run = subprocess.run(["bash", "-c", script], env=told, capture_output=True, text=True, check=False)
        again = subprocess.run(["bash", "-c", script], env=told, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (0, printed), run.stderr
    assert again.returncode == 22, "the name is taken, which must stop the script"
