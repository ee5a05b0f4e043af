"""Thousands of requests made up from the OpenAPI document: each is answered as the document says."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
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
GENERATED = [HypothesisTestMode.EXAMPLES, HypothesisTestMode.FUZZING, HypothesisTestMode.COVERAGE]
EXAMPLES = 3  # random requests for each operation, each of which costs as much as five of the fifty systematic ones


@pytest.fixture
def _requests_leave_the_tests_transaction_open(db: None) -> Iterator[None]:
    """Keep the connection between requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


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


@pytest.mark.once
def test_every_operation_answers_as_documented(
    schema: BaseSchema, authorization: str, subtests: pytest.Subtests
) -> None:
    """Ask for each operation, as the library's own plugin does, whose tests pytest-xdist takes for one."""
    statuses: dict[str, set[int]] = defaultdict(set)
    turn = itertools.count()

    def answers_as_documented(case: schemathesis.Case[Any]) -> None:
        cache.clear()  # otherwise the throttle would refuse nearly all requests
        number = next(turn) % 4  # one request in four has no token, and one with a token is for an unknown model
        headers = {"Authorization": authorization} if number else {}
        if "model_id" in case.path_parameters and number > 1:
            case.path_parameters["model_id"] = "mdl-7f3a19bc92"
        response = case.call_and_validate(headers=headers, checks=CHECKS)
        statuses[case.operation.label].add(response.status_code)

    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)  # the others are not valid
    for operation in operations:
        config = HypothesisTestConfig(
            project=schema.config,
            modes=GENERATED,
            settings=settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)),
        )
        ask = create_test(operation=operation, test_func=answers_as_documented, config=config)
        with subtests.test(operation.label), transaction.atomic():  # each operation finds the same state
            ask()
            transaction.set_rollback(True)

    assert statuses.keys() == {operation.label for operation in operations}
    assert statuses["GET /api/v1/models/{model_id}/performance/summary"] >= {200, 400, 401, 404}
