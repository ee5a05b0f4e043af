"""The commands of the documents, pasted into a shell, and their Python, run."""

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.core.management import get_commands, load_command_class
from standardwebhooks import Webhook

from models_registry import task_types
from tests.demo_data import serve_demo_data
from tests.e2e.test_docs import DOCUMENTS, ROOT, blocks, source
from tests.reliability.databases import new_database

TOOLS = ("bash", "curl", "jq")
TUTORIAL = "docs/tutorials/training-to-production.md"
GATE = "docs/how-to/gate-a-pipeline.md"
NEEDS_A_SHELL_AND_A_SERVER = [
    pytest.mark.served,
    pytest.mark.once,
    pytest.mark.django_db,
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)} (Debian: apt-get install)"),
]
# What a block may hold that runs elsewhere: the demo is started by `test_demo`, and has its own database.
RUNS_ELSEWHERE = ("manage.py demo", "var/demo.env")


def runnable(document: str) -> list[str]:
    """Return the shell blocks of a document that can be pasted while the demo's data is served, in order."""
    return [block for block in blocks(source(document), "bash") if not any(part in block for part in RUNS_ELSEWHERE)]


WITH_BLOCKS = [document for document in DOCUMENTS if runnable(document)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a reader pastes what the documents say, with the demo's data served."""
    with serve_demo_data(new_database(tmp_path_factory.mktemp("registry"))) as (url, access):
        yield {**os.environ, "REGISTRY_URL": url, "REGISTRY_TOKEN": access, "ACCESS": access, "JOB_ID": "4711"}


def paste(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    here = script.replace("http://127.0.0.1:8000", environment["REGISTRY_URL"]).replace("wait=30", "wait=1")
    return subprocess.run(["bash", "-c", here], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


class TestShell:
    """The blocks in `bash` of each document, in the order of the document."""

    pytestmark = NEEDS_A_SHELL_AND_A_SERVER

    def test_the_blocks_and_what_they_print_are_found(self) -> None:
        printing = {document for document in WITH_BLOCKS if any(printed_by(document, it) for it in runnable(document))}

        assert "README.md" in WITH_BLOCKS
        assert printing == {TUTORIAL, GATE}

    @pytest.mark.parametrize("document", WITH_BLOCKS)
    def test_each_block_runs_and_prints_what_the_document_says(
        self, document: str, environment: dict[str, str]
    ) -> None:
        for script in runnable(document):
            run = paste(script, environment)

            assert run.returncode == 0, f"{script}\n{run.stderr}{run.stdout}"
            printed = printed_by(document, script)
            assert printed in ("", run.stdout), script

    def test_the_tutorial_is_six_calls_that_are_safe_to_repeat_in_the_same_job(
        self, environment: dict[str, str]
    ) -> None:
        [script] = runnable(TUTORIAL)

        assert script.count("curl ") == 6
        paste(script, environment)
        again = paste(script, environment)
        assert (again.returncode, again.stdout) == (0, printed_by(TUTORIAL, script)), again.stderr

    def test_the_tutorial_takes_a_version_of_the_same_model_to_production_in_another_job(
        self, environment: dict[str, str]
    ) -> None:
        [script] = runnable(TUTORIAL)

        paste(script, environment)
        other = paste(script, {**environment, "JOB_ID": "4712"})

        assert (other.returncode, other.stdout) == (0, printed_by(TUTORIAL, script)), other.stderr

    def test_a_summary_that_is_known_is_answered_304(self, environment: dict[str, str]) -> None:
        [script] = runnable("docs/explanation/idempotency-and-etags.md")

        assert " 304 " in paste(script, environment).stdout.splitlines()[0]

    def test_a_gate_without_a_policy_stops_nothing(self, environment: dict[str, str]) -> None:
        [enforced] = [block for block in runnable(GATE) if "enforce=true" in block]

        run = paste(enforced.replace("mdl-c41e08d5a7", "mdl-5ad2c7710e"), environment)

        assert (run.returncode, '"status":"no_policy"' in run.stdout) == (0, True), run.stderr

    def test_the_gate_of_the_demo_stops_the_version_that_the_document_says(self, environment: dict[str, str]) -> None:
        [enforced] = [block for block in runnable(GATE) if "enforce=true" in block]

        run = paste(enforced.replace("ver-00003", "ver-00002"), environment)

        assert (run.returncode, "gate_failed" in run.stdout) == (22, True), run.stderr
        assert "log_loss" in run.stdout


def printed_by(document: str, script: str) -> str:
    """Return what a document says that a block prints, or nothing where it says nothing."""
    after = source(document).split(script, 1)[1]
    printed = re.match(r"```\n\nThe (?:script|command) prints:\n\n```\n(.*?)```\n", after, re.S)
    return printed[1] if printed else ""


COMMANDS = [
    (document, line)
    for document in DOCUMENTS
    for block in blocks(source(document)) + blocks(source(document), "bash")
    for line in re.findall(r"manage\.py (\w[^|)\n]*)", block)
]


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_a_command_of_ours_has_the_options_that_a_document_gives_it(document: str, line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)
    command = load_command_class(get_commands()[name], name)

    command.create_parser("manage.py", name).parse_args(arguments)


def test_files_of_predictions_that_a_document_evaluates_exist_and_have_the_columns() -> None:
    evaluations = [shlex.split(line, comments=True) for _, line in COMMANDS if line.startswith("evaluate ")]
    parser = load_command_class(get_commands()["evaluate"], "evaluate").create_parser("manage.py", "evaluate")

    assert evaluations
    for _, *arguments in evaluations:
        options = parser.parse_args(arguments)
        for name in options.files:
            header = (ROOT / name).read_text().splitlines()[0].split(",")
            assert {*options.columns.slices, *options.columns.attributes} <= {*header}, name


def test_the_example_of_a_task_type_is_one() -> None:
    [example] = blocks(source("docs/how-to/add-a-task-type.md"), "python")
    module: dict[str, object] = {}

    exec(example, module)  # noqa: S102  # our own document

    declared = module["TASK_TYPE"]
    assert isinstance(declared, task_types.TaskType)
    assert declared.clean({"precision_at_k": 2 / 3}) == {"precision_at_k": 2 / 3}


def test_the_example_of_a_receiver_verifies_the_message_of_the_example() -> None:
    text = source("docs/how-to/webhooks.md")
    [receiver], [body] = blocks(text, "python"), blocks(text, "json")
    secret, now = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}", datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    names: dict[str, object] = {"secret": secret, "body": body, "headers": headers}

    exec(receiver, names)  # noqa: S102  # our own document

    assert names["message"] == json.loads(body)
