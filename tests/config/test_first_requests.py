"""The first requests to a fresh process, all at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.demo_data import serve_demo_data
from tests.reliability.databases import new_database

pytestmark = pytest.mark.served
MODEL = "/api/v1/models/mdl-7f3a19bc92"
PATHS = [
    "/api/schema",
    "/api/docs",
    "/api/redoc",
    "/admin/login/",
    "/api/v1/models",
    MODEL,
    f"{MODEL}/performance/summary",
    f"{MODEL}/performance/report",
    f"{MODEL}/performance/confusion-matrix",
    f"{MODEL}/performance/curves",
    f"{MODEL}/performance/history?metric=accuracy",
    f"{MODEL}/performance/compare",
    f"{MODEL}/performance/gate?format=html",
    f"{MODEL}/performance/badge.svg?metric=accuracy",
    f"{MODEL}/performance/misclassifications",
    f"{MODEL}/versions",
]


def test_concurrent_first_requests_do_not_fail(tmp_path: Path) -> None:
    with serve_demo_data(new_database(tmp_path)) as (base_url, access):
        together = Barrier(2 * len(PATHS))

        def ask(path: str) -> int:
            request = Request(base_url + path, headers={"Authorization": f"Bearer {access}"})  # noqa: S310
            together.wait()
            return status_of(lambda: urlopen(request, timeout=60).status)  # noqa: S310

        with ThreadPoolExecutor(2 * len(PATHS)) as threads:
            statuses = list(threads.map(ask, PATHS * 2))

    # The example's metrics were imported, without a confusion matrix and predictions: hence 404.
    assert set(statuses) <= {200, 404}, dict(zip(PATHS * 2, statuses, strict=True))


def status_of(ask: Callable[[], int]) -> int:
    try:
        return ask()
    except HTTPError as error:
        return error.code
