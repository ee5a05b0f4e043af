"""The client and its command line against the live service, which takes long to set up: hence one file."""

import asyncio
import gc
import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pandas
import pytest
from junitparser import JUnitXml
from performance_registry import (
    AsyncRegistry,
    ConnectionFailedError,
    CredentialsError,
    EvaluationTimeoutError,
    GateFailedError,
    InvalidField,
    Model,
    Performance,
    ProblemError,
    Registry,
    RegistryError,
    Snapshot,
    Version,
    logins,
)
from performance_registry.commands import app
from performance_registry.errors import problem_error
from typer.testing import CliRunner, Result

from tests.client.flaky import LOSE, Proxy, proxying
from tests.client.service import DEMO, EASY, HARD, PASSWORD, PREDICTIONS, Service
from tests.e2e.test_docs import blocks, source
from tests.models_registry.tokens.issuer import AUDIENCE, send
from tests.serving import ROOT

pytestmark = [pytest.mark.once, pytest.mark.served, pytest.mark.django_db]


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    with proxying(service.url) as proxy:
        yield proxy


@pytest.fixture
def mpr(service: Service, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command of `mpr` as Acme's admin."""
    monkeypatch.setenv("REGISTRY_URL", service.url)
    monkeypatch.setenv("REGISTRY_TOKEN", service.token)
    return lambda *arguments, **options: CliRunner().invoke(app, arguments, catch_exceptions=False, **options)


class TestJourneys:
    """From a new model to its promotion."""

    def test_the_script_of_the_guide_trains_measures_gates_and_promotes_in_22_lines(
        self, service: Service, registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        [script] = blocks(source("docs/how-to/python-client.md"), "python")
        monkeypatch.setenv("REGISTRY_URL", service.url)
        monkeypatch.setenv("REGISTRY_TOKEN", service.token)

        exec(script, {})  # noqa: S102  # our own document

        ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "-"]
        formatted = subprocess.run(ruff, input=script, capture_output=True, text=True, check=True).stdout
        assert len(formatted.splitlines()) <= 22
        assert "ver-00001 of" in (printed := capsys.readouterr().out)
        assert "roc_auc  passed" in printed
        summary = registry.model("acme/tumours").summary()
        assert summary.version_id == "ver-00001"
        assert summary.metrics["accuracy"] == pytest.approx(0.94, abs=0.03)

    @pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
    def test_the_lines_of_the_readme_run(
        self, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        [lines] = blocks(source("README.md"), "python")
        monkeypatch.setenv("REGISTRY_URL", service.url)
        monkeypatch.setenv("REGISTRY_TOKEN", service.token)
        names: dict[str, Any] = {"frame": pandas.read_csv(PREDICTIONS)}

        exec(lines, names)  # noqa: S102  # our own document

        assert "passed" in capsys.readouterr().out
        names.clear()
        gc.collect()  # which closes the connections, as the end of a script does

    def test_a_version_is_promoted_compared_and_rolled_back(self, model: Model, version: Version) -> None:
        version.promote("the first")
        with model.new_version() as better:
            better.log(split="test", metrics={"accuracy": 0.95, "roc_auc": None}, custom_metrics={"latency": 12})

        promoted = better.promote("better recall")
        comparison = model.compare(better.id, version.id)
        back = model.rollback("it drifts")

        assert (promoted.version_id, promoted.previous_version_id, promoted.kind) == (
            better.id,
            version.id,
            "promotion",
        )
        assert comparison.metrics["accuracy"].difference == pytest.approx(0.05)
        assert "accuracy" in str(comparison)
        assert comparison.pairing_detail == "The predictions of the version and of the baseline are not stored."
        assert comparison.pairing_detail in str(comparison)
        assert "The accuracy of the version has no interval, so only the two values are compared." in str(comparison)
        assert (back.version_id, back.kind) == (version.id, "rollback")
        assert str(back) == f"{version.id} of {model.id} is promoted, before that {better.id} (rollback): it drifts"
        assert model.summary().metrics["accuracy"] == 0.9

    def test_a_gate_that_fails_says_why_and_refuses_the_promotion(
        self, registry: Registry, model: Model, version: Version
    ) -> None:
        assert version.gate().status == "no_policy"
        registry.request("PUT", f"/models/{model.id}/gate-policy", body=HARD)

        verdict = version.gate()
        with pytest.raises(GateFailedError) as enforced:
            version.gate(enforce=True)
        with pytest.raises(GateFailedError) as refused:
            version.promote("in a hurry")

        assert (verdict.passed, verdict.rules[0].value, verdict.rules[0].threshold) == (False, 0.9, 0.999)
        assert (enforced.value.status, enforced.value.verdict.status) == (409, "failed")
        assert "accuracy  failed  >= 0.999  0.9" in str(refused.value)
        assert version.gate(policy=EASY, enforce=True).passed
        assert version.promote("an outage", override=True).overridden

    def test_the_asynchronous_client_evaluates_a_data_frame_with_groups_and_slices_on_a_named_test_set(
        self, service: Service
    ) -> None:
        frame = pandas.read_csv(PREDICTIONS).assign(country=lambda rows: ["de", "fr"] * (len(rows) // 2))
        seen: list[tuple[str, float]] = []

        async def journey() -> tuple[Snapshot, Performance]:
            async with AsyncRegistry(service.url, service.token) as registry:
                model = await registry.model("acme/awaited", task_type="classification", create=True)
                async with model.new_version(parameters={"trees": 500}, tags=["a"]) as version:
                    snapshot = await version.evaluate(
                        frame.rename(columns={"actual": "y", "predicted": "y_hat", "score": "p"}),
                        actual="y",
                        predicted="y_hat",
                        score="p",
                        group="example_id",
                        slices=["country"],
                        positive_class="malignant",
                        split="test",
                        dataset="cancer-2026",
                        dataset_version="2",
                        progress=lambda state, share: seen.append((state, share)),
                    )
                assert (version.state, version.document["parameters"]) == ("completed", {"trees": 500})
                with pytest.raises(RuntimeError, match="no memory"):
                    async with model.new_version() as lost:
                        raise RuntimeError("no memory")
                assert (await model.version(lost.id)).state == "failed"
                policy = {"dataset": "cancer-2026", **EASY}
                assert (await model.gate(version.id, policy=policy)).passed
                await version.promote("the first")
                return snapshot, await model.report(dataset="cancer-2026")

        snapshot, report = asyncio.run(journey())

        assert snapshot.metrics["accuracy"] == pytest.approx((frame.actual == frame.predicted).mean(), abs=1e-9)
        assert (snapshot.source, snapshot.sample_count) == ("computed", len(frame))
        assert snapshot.dataset is not None
        assert (snapshot.dataset["name"], snapshot.dataset["version"]) == ("cancer-2026", "2")
        assert (seen[0], seen[-1]) == (("uploading", 0), ("succeeded", 1))
        assert report.document["slices"][0]["attribute"] == "country"
        assert report.confidence_intervals is not None
        assert snapshot.confidence_intervals == report.confidence_intervals
        assert "accuracy" in report.confidence_intervals


class TestModels:
    """`Registry.model`."""

    def test_a_model_is_registered_once(self, registry: Registry) -> None:
        first = registry.model("acme/once", task_type="regression", create=True, tags=["a"], description="first")
        second = registry.model("acme/once", task_type="regression", create=True, tags=["b"])

        assert first.id == second.id == registry.model(first.id).id
        assert (second.name, second.task_type, second.document["tags"]) == ("acme/once", "regression", ["a"])
        assert [row["name"] for row in registry.rows("/models", search="acme/once"[5:], page_size=1)] == ["once"]

    def test_a_model_must_exist_unless_it_may_be_created(self, registry: Registry) -> None:
        with pytest.raises(ProblemError, match="There is no model acme/unknown") as error:
            registry.model("acme/unknown")

        assert error.value.code == "model_not_found"

    def test_a_model_of_another_task_type_is_an_error(self, registry: Registry) -> None:
        with pytest.raises(RegistryError, match="acme/churn is a model of classification, not of regression"):
            registry.model("acme/churn", task_type="regression", create=True)

    def test_a_list_is_read_to_its_last_page(self, registry: Registry) -> None:
        found = registry.rows(f"/models/{DEMO}/versions", page_size=3)

        assert [row["version_id"] for row in found] == ["ver-00004", "ver-00003", "ver-00002", "ver-00001"]


class TestFailures:
    """What goes wrong, and how the caller learns of it."""

    def test_an_exception_in_the_block_fails_the_version(self, model: Model) -> None:
        with pytest.raises(ZeroDivisionError), model.new_version() as version:
            version.log(split="train", metrics={"accuracy": 1 / 0})

        assert model.version(version.id).state == "failed"

    def test_invalid_fields_are_listed(self, model: Model) -> None:
        with pytest.raises(ProblemError) as error:
            model.create_version().log(split="train", metrics={"accuracy": 2, "unheard_of": 1})

        assert error.value.code == "invalid_body"
        assert {item.field for item in error.value.errors} == {"metrics.accuracy", "metrics.unheard_of"}
        assert all(isinstance(item, InvalidField) and item.detail in str(error.value) for item in error.value.errors)

    def test_nan_is_not_sent(self, model: Model) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            model.create_version().log(split="train", metrics={"accuracy": float("nan")})

    def test_a_bad_token_is_refused(self, service: Service) -> None:
        with Registry(service.url, "forged") as registry, pytest.raises(ProblemError) as error:
            registry.model(DEMO)

        assert (error.value.status, error.value.code) == (401, "invalid_token")

    def test_a_registry_needs_an_address_and_a_token(self, service: Service) -> None:
        with pytest.raises(CredentialsError, match="set REGISTRY_URL"):
            Registry()
        for address in ("registry.example.com", "ftp://registry.example.com", "https://"):
            with pytest.raises(CredentialsError, match="is no address of a registry"):
                Registry(address, "x")
        with pytest.raises(CredentialsError, match=r"Set REGISTRY_TOKEN; or run `mpr login`"):
            Registry(service.url)

    def test_an_address_that_is_no_registry_is_named(self, service: Service) -> None:
        with Registry(f"{service.url}/admin", "x") as registry, pytest.raises(ProblemError) as error:
            registry.model(DEMO)

        assert f"{service.url}/admin/api/v1/models/{DEMO} answered" in error.value.detail

    def test_a_registry_that_cannot_be_reached_is_given_up_after_a_while(self) -> None:
        started = time.monotonic()
        with Registry("http://127.0.0.1:9", "x", patience=0.4) as registry, pytest.raises(ConnectionFailedError):
            registry.model(DEMO)

        assert time.monotonic() - started < 30


class TestRetries:
    """Requests that are sent again."""

    @pytest.mark.parametrize("faults", [[503, 429], [LOSE], [502, LOSE, 503]], ids=str)
    def test_a_version_is_created_once(
        self, service: Service, registry: Registry, proxy: Proxy, faults: list[int], request: pytest.FixtureRequest
    ) -> None:
        model = registry.model(f"acme/{request.node.name}", task_type="classification", create=True)
        proxy.faults += faults

        with Registry(proxy.url, service.token) as through_proxy:
            created = through_proxy.model(model.id).create_version()

        assert [row["version_id"] for row in registry.rows(f"/models/{model.id}/versions")] == [created.id]
        assert len(proxy.keys) == len(faults) + 1
        assert len(set(proxy.keys)) == 1

    def test_an_upload_is_evaluated_once_also_if_the_caller_gives_it_up(
        self, service: Service, registry: Registry, model: Model, proxy: Proxy
    ) -> None:
        version = model.create_version()
        proxy.faults += [503, LOSE]

        with Registry(proxy.url, service.token) as through_proxy:
            same = through_proxy.model(model.id).version(version.id)
            with pytest.raises(EvaluationTimeoutError, match=r"Evaluation .* is still (queued|running)"):
                same.evaluate(PREDICTIONS, split="train", timeout=0)

        assert len(set(proxy.keys)) == 1
        snapshots = f"/models/{model.id}/versions/{version.id}/snapshots"
        deadline = time.monotonic() + 120
        while not registry.rows(snapshots) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(registry.rows(snapshots)) == 1

    def test_a_busy_registry_is_an_error_in_the_end(self, service: Service, model: Model, proxy: Proxy) -> None:
        proxy.faults += [503] * 1000
        with Registry(proxy.url, service.token, patience=0.1) as registry, pytest.raises(ProblemError) as error:
            registry.model(model.id).create_version()

        assert error.value.status == 503


class TestCredentials:
    """Tokens from the environment and from logins."""

    def test_the_identity_of_a_gitlab_job_is_exchanged_and_its_token_renewed(
        self, service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGISTRY_URL", proxy.url)
        monkeypatch.setenv("REGISTRY_ID_TOKEN", service.issuer.token())

        with Registry() as registry:
            model = registry.model(DEMO)
            proxy.faults.append(401)
            assert model.gate(policy=EASY).passed

        exchange, refused, renewal, repeated = proxy.keys
        assert (exchange, renewal) == (None, None)
        assert refused == repeated

    def test_the_identity_of_a_github_job_is_asked_for(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        def identify(request: BaseHTTPRequestHandler) -> None:
            if not request.path.startswith("/identity"):
                service.issuer.publish(request)
                return
            assert request.headers["Authorization"] == "Bearer of the job"
            assert request.path == f"/identity?version=1&audience={AUDIENCE}"
            send(request, 200, json.dumps({"value": service.issuer.token()}).encode())

        monkeypatch.setattr(service.issuer, "answer", identify)
        monkeypatch.setenv("REGISTRY_AUDIENCE", AUDIENCE)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of the job")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{service.issuer.port}/identity?version=1")

        with Registry(service.url) as registry:
            assert registry.model("acme/breast-cancer").id == DEMO

    def test_an_identity_that_nobody_trusts_is_refused(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REGISTRY_ID_TOKEN", service.issuer.token(repository="acme/other"))

        with Registry(service.url) as registry, pytest.raises(ProblemError) as error:
            registry.model(DEMO)

        assert error.value.code == "permission_denied"

    def test_a_login_is_stored_for_its_owner_alone_and_refreshed_and_ended(self, service: Service) -> None:
        run = CliRunner().invoke
        logged_in = run(app, ["login", service.url, "--username", "lena", "--password-stdin"], input=f"{PASSWORD}\n")
        assert logged_in.output == f"Logged in to {service.url} as lena.\n"
        file = logins.folder() / "logins.json"
        assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
        assert PASSWORD not in file.read_text()

        first = logins.read(service.url)
        assert first is not None
        logins.write(service.url, logins.Login(first.access, first.refresh, ends=0))
        with Registry() as registry:  # at the address of the only login
            assert registry.model(DEMO).id == DEMO
        second = logins.read(service.url)
        assert second is not None
        assert second.refresh != first.refresh
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        assert run(app, ["logout"]).output == f"Logged out of {service.url}.\n"
        assert logins.read(service.url) is None
        logins.write(service.url, second)
        with Registry(service.url) as registry, pytest.raises(CredentialsError, match="Run `mpr login` again"):
            registry.model(DEMO)

    def test_a_token_of_the_registry_is_stored_and_works_until_it_is_revoked(
        self, service: Service, registry: Registry
    ) -> None:
        run, body = CliRunner().invoke, {"name": "laptop", "scopes": ["model:read"], "lifetime_days": 30}
        made = registry.request("POST", "/auth/personal-tokens", body=body)
        refused = run(app, ["login", service.url, "--token", "--password-stdin"], input="nonsense\n")
        assert (refused.exit_code, logins.urls()) == (2, [])

        stored = run(app, ["login", service.url, "--token"], input=f"{made['token']}\n")

        assert stored.output.endswith(f"Stored the token for {service.url}.\n")
        assert made["token"] not in stored.output
        with Registry() as own:
            assert own.model(DEMO).id == DEMO
            registry.request("DELETE", f"/auth/personal-tokens/{made['id']}")
            with pytest.raises(CredentialsError, match="revoked"):
                own.model(DEMO)
        assert not logins.urls()

    def test_a_wrong_password_is_refused(self, service: Service) -> None:
        result = CliRunner().invoke(
            app, ["login", service.url, "--username", "nobody", "--password-stdin"], input="x\n"
        )

        assert result.exit_code == 2
        assert "not_authenticated" in result.stderr
        assert not logins.urls()


class TestCommandLine:
    """The commands of `mpr`."""

    def test_the_summary_and_the_report_are_shown(self, mpr: Callable[..., Result]) -> None:
        summary, report = mpr("summary", "acme/breast-cancer"), mpr("report", DEMO, "--version", "ver-00002")

        assert (summary.exit_code, report.exit_code) == (0, 0)
        assert "ver-00003 of mdl-c41e08d5a7, test split" in summary.output
        assert "accuracy" in summary.output
        assert "0.925475 to 0.992827" in report.output

    @pytest.mark.parametrize(
        ("arguments", "member"),
        [
            (("summary", DEMO), "evaluated_at"),
            (("report", DEMO), "provenance"),
            (("compare", DEMO, "ver-00002"), "pairing"),
            (("gate", DEMO, "ver-00003"), "judged_at"),
        ],
    )
    def test_json_is_that_of_the_registry(
        self, mpr: Callable[..., Result], arguments: tuple[str, ...], member: str
    ) -> None:
        result = mpr(*arguments, "--json")

        assert result.exit_code == 0
        assert member in json.loads(result.output)

    def test_two_versions_are_compared(self, mpr: Callable[..., Result], model: Model, version: Version) -> None:
        result = mpr("compare", DEMO, "ver-00002", "ver-00003")
        with model.new_version() as reported:
            reported.log(split="test", metrics={"accuracy": 0.95})
        without = mpr("compare", model.id, reported.id, version.id)

        assert (result.exit_code, without.exit_code) == (0, 0)
        assert "ver-00002 of mdl-c41e08d5a7 compared with ver-00003" in result.output
        assert "The predictions of the version and of the baseline are not stored." in without.output
        assert "The accuracy of the version has no interval, so only the two values are compared." in without.output

    @pytest.mark.parametrize(("policy", "status"), [(EASY, 0), (HARD, 1)], ids=["passes", "fails"])
    def test_the_exit_status_of_the_gate_is_its_verdict_in_every_format(
        self, mpr: Callable[..., Result], version: Version, tmp_path: Path, policy: object, status: int
    ) -> None:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(policy))
        given = (version.model_id, version.id, "--policy", str(file))
        word = "failed" if status else "passed"

        table, junit = mpr("gate", *given), mpr("gate", *given, "--format", "junit")
        markdown, document = mpr("gate", *given, "--format", "markdown"), mpr("gate", *given, "--json")

        assert {table.exit_code, junit.exit_code, markdown.exit_code, document.exit_code} == {status}
        assert f"{version.id} of {version.model_id}: {word}" in table.output
        [suite] = JUnitXml.fromstring(junit.output.encode())
        assert (suite.tests, suite.failures) == (1, status)
        assert word in markdown.output
        assert json.loads(document.output)["status"] == word

    def test_a_gate_that_cannot_judge_ends_with_2(
        self, mpr: Callable[..., Result], model: Model, tmp_path: Path
    ) -> None:
        unknown, nothing = mpr("gate", "acme/unknown"), mpr("gate", model.id, "--json")

        assert (unknown.exit_code, nothing.exit_code) == (2, 2)
        assert "There is no model acme/unknown" in unknown.stderr
        assert json.loads(nothing.stdout)["code"] == "no_trained_version"
        assert mpr("gate", model.id, "--policy", "nowhere.json").exit_code == 2
        file = tmp_path / "policy.json"
        for text, detail in (("{rules", "has no JSON: Expecting"), ("[]", "has no JSON object.")):
            file.write_text(text)
            malformed = mpr("gate", model.id, "--policy", str(file))
            assert (malformed.exit_code, f"{file} {detail}" in malformed.stderr) == (2, True)
        assert mpr("gate").exit_code == 2

    def test_a_file_is_evaluated_and_its_version_promoted_and_rolled_back(
        self, mpr: Callable[..., Result], model: Model, version: Version, tmp_path: Path
    ) -> None:
        version.promote("the first")
        parameters = tmp_path / "parameters.json"
        parameters.write_text('{"trees": 500}')
        registered = mpr("register", model.name, "--parameters", str(parameters), "--tag", "a", "--tag", "b")
        new = model.version(registered.output.strip())
        assert (new.state, new.document["parameters"], new.document["tags"]) == (
            "completed",
            {"trees": 500},
            ["a", "b"],
        )
        columns = ("--actual", "actual", "--predicted", "predicted", "--score", "score", "--example-id", "example_id")

        evaluated = mpr("evaluate", model.id, new.id, str(PREDICTIONS), *columns, "--dataset", "cancer@1")
        promoted = mpr("promote", model.name, new.id, "--reason", "better")
        back = mpr("rollback", model.name, "--reason", "worse", "--json")

        assert (evaluated.exit_code, promoted.exit_code, back.exit_code) == (0, 0, 0), evaluated.output
        assert "test split, 114 examples" in evaluated.output
        assert "0.925475 to 0.992827" in evaluated.output
        assert f"{new.id} of {model.id} is promoted, before that {version.id} (promotion): better" in promoted.output
        assert json.loads(back.output)["version_id"] == version.id

    def test_files_of_other_tools_are_imported(self, mpr: Callable[..., Result], tmp_path: Path) -> None:
        files = [str(ROOT / "fixtures/imports" / name) for name in ("table.csv", "lm-eval.json")]
        would = mpr("import", "csv", files[0], "--organization", "acme", "--dry-run")
        imported = mpr("import", "csv", files[0], files[0], "--organization", "acme", "--json")
        refused = mpr("import", "dvc", files[1], "--organization", "acme", "--model", "parrot")

        assert "table.csv: would be created: 1 models, 2 versions, 3 snapshots" in would.output
        assert imported.output.count('"models": 1') == 2  # created, and then unchanged
        assert (would.exit_code, imported.exit_code, refused.exit_code) == (0, 0, 1)
        assert "results.trivia.alias: Must be an object." in refused.stderr

    def test_a_refused_promotion_ends_with_1(
        self, mpr: Callable[..., Result], registry: Registry, version: Version
    ) -> None:
        registry.request("PUT", f"/models/{version.model_id}/gate-policy", body=HARD)

        promoted = mpr("promote", version.model_id, version.id, "--reason", "in a hurry")

        assert promoted.exit_code == 1
        assert "gate_failed" in promoted.stderr
        assert "accuracy  failed" in promoted.stderr

    def test_predictions_that_cannot_be_scored_end_with_1_and_are_named_by_column_and_row(
        self, mpr: Callable[..., Result], version: Version, tmp_path: Path
    ) -> None:
        file = tmp_path / "predictions.csv"
        file.write_text("actual,predicted,score\na,a,0.2\nb,b,many\n")

        refused = mpr("evaluate", version.model_id, version.id, str(file), "--json")

        assert refused.exit_code == 1
        problem = problem_error(json.loads(refused.stdout))
        assert (problem.status, problem.code) == (422, "unprocessable_predictions")
        assert (problem.column, problem.row) == ("score", 2)
        assert problem.detail in str(problem)
