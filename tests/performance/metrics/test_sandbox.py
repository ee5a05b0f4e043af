"""An evaluation in a process of its own: the same numbers, within bounds."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.sandbox import runner
from performance.metrics.sandbox.runner import (
    ROOT,
    Job,
    Limits,
    PairJob,
    SandboxCrashed,
    evaluate_in_sandbox,
    pair_in_sandbox,
)
from performance.metrics.sandbox.worker import expected_statements
from performance.metrics.tasks.evaluators import evaluate
from tests.performance.metrics.tables import read_file

FIXTURES = ROOT / "fixtures" / "predictions"
CASES = {
    "classification": FIXTURES / "breast-cancer" / "ver-00003-test.csv",
    "regression": FIXTURES / "diabetes" / "ver-00001-test.csv",
}


def parquet(table: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(table), file, compression="zstd", write_statistics=False)
    return file.getvalue()


def evaluate_apart(
    folder: Path, content: bytes, *, kind: str = "parquet", task: str = "classification", **limits: int
) -> Any:
    (folder / f"predictions.{kind}").write_bytes(content)
    job = Job(folder, f"predictions.{kind}", task, Columns(), Options(), Limits(**limits))
    return evaluate_in_sandbox(job, lambda progress: None)


def refusal(folder: Path, content: bytes, **options: Any) -> str:
    with pytest.raises(UnprocessablePredictionsError) as refused:
        evaluate_apart(folder, content, **options)
    return str(refused.value)


@pytest.mark.parametrize("task", CASES)
def test_a_sandboxed_evaluation_equals_one_in_this_process(task: str, tmp_path: Path) -> None:
    here: Evaluation = evaluate(read_file(CASES[task]), task, Columns(), Options())
    found = asdict(evaluate_apart(tmp_path, CASES[task].read_bytes(), kind="csv", task=task))
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(asdict(here)))


ROWS = ", row // 40 AS part FROM range(800) AS rows(row)"
COUNTED = {
    "classification": "SELECT row % 2 AS actual, row % 3 // 2 AS predicted, row % 97 / 97 AS score, row AS example_id"
    + ROWS,
    "regression": "SELECT row % 7 AS actual, row % 5 + 0.5 AS predicted, row AS example_id" + ROWS,
    "forecasting": "SELECT row % 7 + 1.0 AS actual, row % 5 + 0.5 AS predicted, row // 20 AS series_id" + ROWS,
    "ranking": "SELECT row // 10 AS query_id, row % 3 AS relevance, row % 7 AS score" + ROWS,
}


@pytest.mark.parametrize("named", [Columns(), Columns(slices=["part"]), Columns(group="part")])
@pytest.mark.parametrize("task", COUNTED)
def test_the_progress_of_an_evaluation_is_a_share_of_about_as_many_statements_as_it_takes(
    task: str, named: Columns, tmp_path: Path
) -> None:
    file = tmp_path / "predictions.parquet"
    duckdb.execute(f"COPY ({COUNTED[task]}) TO '{file}'")
    with DuckDB(folder=tmp_path) as engine:
        engine.read_parquet([str(file)])
        evaluation = evaluate(engine, task, named, Options())
        export_predictions(engine, task, named, Options(), evaluation, tmp_path)

    found = engine.statement_count - engine.excess + 1  # which checks the size
    assert found == pytest.approx(expected_statements(task, named), abs=4)


def test_the_sandbox_reports_the_row_that_cannot_be_scored(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_bytes(b"actual,predicted\r\na,a\r\nb,\r\n")
    job = Job(tmp_path, "predictions.csv", "classification", Columns(), Options())
    with pytest.raises(UnprocessablePredictionsError) as refused:
        evaluate_in_sandbox(job, lambda progress: None)
    assert refused.value.row == 2
    assert refused.value.column == "predicted"


def test_the_sandbox_refuses_too_many_rows_without_reading_them(tmp_path: Path) -> None:
    content = parquet({"actual": ["a"] * 1001, "predicted": ["a"] * 1001})
    assert refusal(tmp_path, content, rows=1000) == "There are 1,001 rows; 1,000 are the most."


def test_the_sandbox_refuses_too_many_columns(tmp_path: Path) -> None:
    content = parquet({f"column_{number}": [1] for number in range(1_001)})
    assert refusal(tmp_path, content) == "There are 1,001 columns; 1,000 are the most."


def test_the_sandbox_refuses_a_small_file_that_expands_to_2_gb(tmp_path: Path) -> None:
    actual = pyarrow.array(["a" * 2**26]).dictionary_encode().take(pyarrow.array([0] * 32))  # in memory once
    content = parquet({"actual": actual, "predicted": ["a"] * 32})
    assert len(content) < 10_000
    assert "more memory, disk space or time" in refusal(tmp_path, content)


def test_the_sandbox_ends_an_evaluation_that_takes_too_long(tmp_path: Path) -> None:
    assert "more memory, disk space or time" in refusal(tmp_path, parquet({"actual": [1], "predicted": [1]}), seconds=0)


def test_sandbox_errors_contain_no_path_of_the_server(tmp_path: Path) -> None:
    assert str(tmp_path) not in refusal(tmp_path, b"PAR1 is how it begins, and that is all")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('{folder}/../beside.txt')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
        "COPY (SELECT 1) TO '{folder}/../written.csv'",
        "ATTACH '{folder}/../other.duckdb'",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
        "INSTALL httpfs",
    ],
)
def test_a_confined_engine_reaches_nothing_outside_of_its_folder(statement: str, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "beside.txt").write_text("secret")
    with DuckDB(folder=folder, confined=True) as engine, pytest.raises(UnprocessablePredictionsError):
        engine.rows(statement.format(folder=folder))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside.txt", "own"]


def test_the_sandbox_ends_with_its_parent_process(tmp_path: Path) -> None:
    (tmp_path / "predictions.csv").write_text("actual,predicted\n" + "a,b\nb,a\n" * 2_000_000)
    job = tmp_path / "job.json"
    job.write_text(
        json.dumps(asdict(Job(tmp_path, "predictions.csv", "classification", Columns(), Options())), default=str)
    )
    ended = run_child(json.dumps(["evaluate", str(job)]) + "\n")
    assert ended.returncode == 1
    assert not ended.stdout


def test_a_sandbox_without_a_job_ends_with_its_parent_process() -> None:
    ended = run_child("")
    assert ended.returncode == 0
    assert not ended.stdout


def run_child(job: str) -> subprocess.CompletedProcess[str]:
    """Run the process of a sandbox whose parent ends after it has sent the job."""
    command = [sys.executable, *runner.CHILD]
    return subprocess.run(command, cwd=ROOT, input=job, text=True, capture_output=True, timeout=30)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes that are started. One waits for a job at any time."""
    processes: list[subprocess.Popen[str]] = []

    class Recorded(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    runner.start_spare()
    yield processes
    runner.end_spare()


def test_each_job_is_done_by_a_process_of_its_own_that_waited_for_it(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    for done in (1, 2):
        assert evaluate_apart(tmp_path, CASES["classification"].read_bytes(), kind="csv").rows
        assert [process.poll() is None for process in started] == [False] * done + [True]


def test_a_job_is_done_although_the_process_that_waited_has_ended(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    started[0].kill()
    started[0].wait()
    assert evaluate_apart(tmp_path, CASES["classification"].read_bytes(), kind="csv").rows
    assert [process.poll() is None for process in started] == [False, True, False]


def test_no_process_waits_after_the_last_was_ended(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    runner.end_spare()
    assert evaluate_apart(tmp_path, CASES["classification"].read_bytes(), kind="csv").rows
    assert [process.poll() is None for process in started] == [False, False]


def test_the_sandbox_ends_a_process_without_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("performance.metrics.sandbox.runner.CHILD", ("-c", "import time; time.sleep(600)"))
    assert "more memory, disk space or time" in refusal(tmp_path, b"", seconds=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_sandbox_does_not_blame_the_predictions(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = """import os, time; print('{"progress": %f}' % os.getpid(), flush=True); time.sleep(600)"""
    monkeypatch.setattr("performance.metrics.sandbox.runner.CHILD", ("-c", endless))
    job = Job(tmp_path, "predictions.csv", "classification", Columns(), Options())
    with pytest.raises(SandboxCrashed, match=f"status -{number}"):
        evaluate_in_sandbox(job, lambda told: os.kill(int(told), number))


@pytest.mark.parametrize("number", [signal.SIGXCPU, signal.SIGXFSZ, signal.SIGABRT])
def test_predictions_that_exceed_the_sandbox_limits_are_refused(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import os, signal; signal.signal({number}, signal.SIG_DFL); os.kill(os.getpid(), {number})"
    monkeypatch.setattr("performance.metrics.sandbox.runner.CHILD", ("-c", code))
    assert "more memory, disk space or time" in refusal(tmp_path, b"")


def test_the_kernel_enforces_the_sandbox_limits() -> None:
    code = (
        "import resource; from performance.metrics.sandbox.worker import Limits, limit_resources;"
        "limit_resources(Limits(memory=256, seconds=7)); names = 'AS', 'FSIZE', 'CORE';"
        "print([resource.getrlimit(getattr(resource, f'RLIMIT_{name}'))[0] for name in names])"
    )
    message = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert json.loads(message) == [(256 + 2048) * 2**20, 256 * 16 * 2**20, 0]


def test_wildcards_in_a_file_name_are_literal(tmp_path: Path) -> None:
    for name, label in (("p[1].parquet", "a"), ("p1.parquet", "b")):
        (tmp_path / name).write_bytes(parquet({"actual": [label], "predicted": [label]}))
    assert read_file(tmp_path / "p[1].parquet").rows("SELECT actual FROM predictions") == [("a",)]


def test_a_folder_name_does_not_become_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "score=0.9"
    folder.mkdir()
    (folder / "p.parquet").write_bytes(parquet({"actual": ["a"], "predicted": ["a"]}))
    assert list(read_file(folder / "p.parquet").columns()) == ["actual", "predicted"]


def pair_job(folder: Path, **changes: bytes) -> PairJob:
    """Return the job of comparing two files of the same three examples, or others in their places."""
    table = {"example_id": ["1", "2", "3"], "actual": ["a", "b", "a"], "predicted": ["a", "b", "b"]}
    for name, predicted in (("newer", ["a", "b", "a"]), ("older", ["a", "b", "b"])):
        content = changes.get(name) or parquet({**table, "predicted": predicted})
        (folder / f"{name}.parquet").write_bytes(content)
    return PairJob(folder, "newer.parquet", "older.parquet", "classification", Choices(None, "macro"))


def test_a_sandboxed_comparison_equals_one_in_this_process(tmp_path: Path) -> None:
    job = pair_job(tmp_path)

    here = paired_intervals(tmp_path / job.newer, tmp_path / job.older, job.task_type, job.choices)

    assert pair_in_sandbox(job, lambda progress: None) == here
    assert here["accuracy"].method == "paired_wilson"


def test_a_comparison_of_a_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnprocessablePredictionsError, match="cannot be read"):
        pair_in_sandbox(pair_job(tmp_path, older=b"PAR1, and no more"), lambda progress: None)


def test_a_caller_may_end_a_sandboxed_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = """print('{"progress": 0.0}', flush=True); import time; time.sleep(600)"""
    monkeypatch.setattr("performance.metrics.sandbox.runner.CHILD", ("-c", endless))

    def end(progress: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pair_in_sandbox(pair_job(tmp_path), end)
