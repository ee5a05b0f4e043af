"""What a browser finds that was given the address of the service and no more."""

import pytest
from django.test import Client


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_leads_to_the_admin(client: Client, method: str) -> None:
    response = client.generic(method, "/")

    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_the_root_allows_only_get_and_head() -> None:
    response = Client(enforce_csrf_checks=True).post("/", {"a": "b"})

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


@pytest.mark.django_db  # which the end of an answer looks at
def test_the_favicon_is_at_its_usual_address(client: Client) -> None:
    response = client.get("/favicon.ico")
    icon = client.get(response["Location"])
    icon.close()

    assert (response.status_code, icon.status_code, icon["Content-Type"]) == (302, 200, "image/svg+xml")


def test_other_addresses_are_problem_documents(client: Client) -> None:
    for path in ("/api", "/api/", "/nothing"):
        response = client.get(path)
        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
