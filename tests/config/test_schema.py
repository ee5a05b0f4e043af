"""`/api/schema`: the committed document, which costs a request next to nothing."""

import gzip
import json
import time
from pathlib import Path

import pytest
import yaml
from django.test import Client

from tests.api import refusal

COMMITTED = Path(__file__).parent.parent.parent / "openapi.yaml"
PATH = "/api/schema"
GZIP = {"Accept-Encoding": "br, gzip;q=0.5"}


@pytest.mark.parametrize("media_type", ["application/vnd.oai.openapi", "application/yaml"])
def test_the_schema_is_the_committed_file(client: Client, media_type: str) -> None:
    for accepted in (media_type, "*/*"):
        answer = client.get(PATH, headers={"Accept": accepted})
        assert answer.content == COMMITTED.read_bytes()
    answer = client.get(PATH, headers={"Accept": media_type})
    assert answer["Content-Type"] == f"{media_type}; charset=utf-8"


@pytest.mark.parametrize("media_type", ["application/vnd.oai.openapi+json", "application/json"])
def test_the_schema_is_json_for_clients_that_accept_it(client: Client, media_type: str) -> None:
    answer = client.get(PATH, headers={"Accept": media_type})

    assert answer["Content-Type"] == media_type
    assert json.loads(answer.content) == yaml.load(COMMITTED.read_bytes(), yaml.CSafeLoader)


@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
def test_the_schema_is_compressed_for_clients_that_accept_gzip(client: Client, media_type: str) -> None:
    plain = client.get(PATH, headers={"Accept": media_type})
    compressed = client.get(PATH, headers={"Accept": media_type, **GZIP})

    assert compressed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert gzip.decompress(compressed.content) == plain.content
    assert len(compressed.content) < len(plain.content) / 10
    assert compressed["ETag"] != plain["ETag"]
    assert compressed["Vary"] == plain["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("encodings", ["", "br", "gzip;q=0", "gzip; Q = 0.000", "*;q=0", "identity", "gzipped"])
def test_the_schema_is_plain_for_other_clients(client: Client, encodings: str) -> None:
    assert "Content-Encoding" not in client.get(PATH, headers={"Accept-Encoding": encodings})


@pytest.mark.parametrize("encodings", ["gzip", "GZIP", "deflate, gzip", "*", "identity;q=0, gzip;q=0.001"])
def test_the_schema_is_compressed_for_any_spelling_of_gzip(client: Client, encodings: str) -> None:
    assert client.get(PATH, headers={"Accept-Encoding": encodings})["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("headers", [{}, GZIP, {"Accept": "application/json"}])
def test_an_unchanged_schema_is_a_304(client: Client, headers: dict[str, str]) -> None:
    first = client.get(PATH, headers=headers)
    again = client.get(PATH, headers={**headers, "If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == first["Cache-Control"] == "public, max-age=60"
    assert again["Vary"] == first["Vary"]
    assert client.get(PATH, headers={**headers, "If-None-Match": '"other"'}).status_code == 200


def test_the_schema_refuses_requests_as_any_route_does(client: Client) -> None:
    refused = client.get(PATH, headers={"Accept": "image/png"})

    assert refusal(refused) == (406, "not_acceptable")
    assert "Cache-Control" not in refused
    assert refusal(client.get(PATH, headers={"If-Match": '"other"'})) == (412, "precondition_failed")
    assert refusal(client.post(PATH)) == (405, "method_not_allowed")
    assert client.head(PATH).status_code == 200


def test_the_schema_is_served_cheaply(client: Client) -> None:
    client.get(PATH)
    start = time.process_time()
    for _ in range(20):
        client.get(PATH)

    assert (time.process_time() - start) / 20 < 0.2  # generating the document takes 0.8 seconds
