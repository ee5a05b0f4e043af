"""Thousands of requests made up from the OpenAPI document: each is answered as the document says."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.generation.meta import CoverageScenario
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.conftest import authenticated

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# Without random requests: each costs as much as five systematic ones, and in CI they are the same in each run.
GENERATED = [HypothesisTestMode.EXAMPLES, HypothesisTestMode.COVERAGE]


@pytest.fixture
def _requests_leave_the_tests_transaction_open(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the connection between requests, as Django's own test client does."""
    monkeypatch.setattr("config.handler.close_old_connections", lambda: None)
    request_finished.disconnect(close_old_connections)
    yield
    request_finished.connect(close_old_connections)


@pytest.fixture
def schema(_requests_leave_the_tests_transaction_open: None) -> BaseSchema:
    """The OpenAPI document and the application, which is asked without a server.

    Over HTTP a request has an absolute URL and a well-formed Host; neither is what is tried here. The test loads it
    and not the module, as each process of a run imports all modules.
    """
    from config.wsgi import application

    return schemathesis.openapi.from_wsgi("/api/schema", application)


@pytest.fixture
def authorization(superuser: User, model: RegisteredModel) -> str:
    """The header of a user with every right, so that requests reach what is behind the permission checks."""
    return str(authenticated(superuser).defaults["HTTP_AUTHORIZATION"])


def place_of_wrong_type(case: schemathesis.Case[Any]) -> str | None:
    """Return where in the schema a value of the case is of a wrong type. One such value for each place is enough."""
    generated: Any = case.meta.phase.data if case.meta else None
    is_mistyped = getattr(generated, "scenario", None) == CoverageScenario.INCORRECT_TYPE
    return f"{generated.parameter} {generated.location}" if is_mistyped else None


@pytest.mark.once
def test_every_operation_answers_as_documented(
    schema: BaseSchema, authorization: str, subtests: pytest.Subtests
) -> None:
    """Ask for each operation, as the library's own plugin does, whose tests pytest-xdist takes for one."""
    statuses: dict[str, set[int]] = defaultdict(set)
    asked: Counter[str] = Counter()
    mistyped: set[tuple[str, str]] = set()

    def answers_as_documented(case: schemathesis.Case[Any]) -> None:
        operation = case.operation.label
        if place := place_of_wrong_type(case):
            if (operation, place) in mistyped:
                return
            mistyped.add((operation, place))
        cache.clear()  # otherwise the throttle would refuse nearly all requests
        asked[operation] += 1  # the first request has no token, the second is for an unknown model
        headers = {"Authorization": authorization} if asked[operation] > 1 else {}
        if "model_id" in case.path_parameters and asked[operation] != 2:
            case.path_parameters["model_id"] = "mdl-7f3a19bc92"
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        statuses[operation].add(response.status_code)

    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)  # the others are not valid
    for operation in operations:
        config = HypothesisTestConfig(
            project=schema.config,
            modes=GENERATED,
            settings=settings(deadline=None, suppress_health_check=list(HealthCheck)),
        )
        ask = create_test(operation=operation, test_func=answers_as_documented, config=config)
        with subtests.test(operation.label), transaction.atomic():  # each operation finds the same state
            ask()
            transaction.set_rollback(True)

    assert asked.total() > 2_000
    assert statuses.keys() == {operation.label for operation in operations}
    assert statuses["GET /api/v1/models/{model_id}/performance/summary"] >= {200, 400, 401, 404}
