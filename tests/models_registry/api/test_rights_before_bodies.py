"""Nothing of a body is read before it is known that its sender may send it."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.conftest import authenticated
from tests.demo_data import access_token, load_demo_data
from tests.factories import new_user
from tests.operations import OPERATIONS, Operation, furnish
from tests.reliability.databases import new_database
from tests.serving import new_keys, serve

WITH_BODIES = [each for each in OPERATIONS if each.body is not None or each.form is not None]
GIGABYTE = str(2**30)


class UnreadBody:
    """A body that a server must not touch."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read

    def __iter__(self) -> Any:
        return self.read()


def announced(client: Client, operation: Operation, path: str, length: str = GIGABYTE) -> Any:
    """Send a request whose body is announced and never read."""
    unread: dict[str, Any] = {"wsgi.input": UnreadBody(), "CONTENT_LENGTH": length}
    return client.generic(operation.method, path, b"x", operation.content_type, **unread)


@pytest.mark.django_db
@pytest.mark.parametrize("operation", WITH_BODIES, ids=str)
class TestOrderOfChecks:
    def test_a_caller_without_a_token_is_refused_first(self, model: RegisteredModel, operation: Operation) -> None:
        target = furnish(model)

        assert refusal(announced(Client(), operation, operation.path(target)))[0] == 401

    def test_the_query_is_checked_before_the_rights(
        self, model: RegisteredModel, outsider: User, operation: Operation
    ) -> None:
        path = operation.path(furnish(model))

        answer = announced(authenticated(outsider), operation, f"{path}?no_such=1")

        assert refusal(answer) == (400, "unknown_parameter")

    def test_a_stranger_is_refused_before_the_body(
        self, model: RegisteredModel, viewer: User, operation: Operation
    ) -> None:
        if operation.is_for_everybody:
            pytest.skip("everybody may do it")
        stranger = new_user("stranger")
        path = operation.path(furnish(model))

        answer = announced(authenticated(stranger), operation, path)

        assert refusal(answer) == (403, "permission_denied")

    def test_a_reader_is_refused_before_the_body(
        self, model: RegisteredModel, viewer: User, operation: Operation
    ) -> None:
        if not operation.writes or operation.is_for_everybody:
            pytest.skip("a viewer may do it")

        answer = announced(authenticated(viewer), operation, operation.path(furnish(model)))

        assert refusal(answer) == (403, "permission_denied")


@pytest.mark.django_db
@pytest.mark.parametrize("operation", [each for each in WITH_BODIES if "model_id" in each.route], ids=str)
def test_an_unknown_model_is_a_404_before_the_body(
    model: RegisteredModel, superuser: User, operation: Operation
) -> None:
    path = operation.path(furnish(model)).replace(model.pk, "mdl-00000000aa")

    assert refusal(announced(authenticated(superuser), operation, path)) == (404, "model_not_found")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Serve a model to a stranger and an editor; give the address, their tokens and the temporary folder."""
    folder: Path = tmp_path_factory.mktemp("rights")
    spool = folder / "spool"
    spool.mkdir()
    database = {"DATABASE_URL": new_database(folder), **new_keys()}
    load_demo_data(**database)
    tokens = {name: access_token(user, **database) for name, user in (("stranger", "otto"), ("editor", "ed"))}
    storage = f"file://{folder}/storage"
    with serve(**database, TMPDIR=str(spool), STORAGE_URL=storage, MAX_UPLOAD_MB="1") as url:
        yield url, tokens, folder


@pytest.mark.once
class TestServer:
    """The same over a socket, where the server has a body only if it asks for it."""

    @pytest.mark.parametrize(("who", "status"), [("stranger", "403"), ("editor", "413")])
    def test_an_upload_with_too_large_a_content_length_is_refused_unread(
        self, served: Any, who: str, status: str
    ) -> None:
        url, tokens, folder = served
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens[who]}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {2**31}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as caller:
            caller.sendall(head.encode())  # and nothing of the body

            answer = caller.recv(65_536).decode()

        assert answer.split()[1] == status
        assert list((folder / "spool").iterdir()) == []
        assert not (folder / "storage" / "uploads").exists()

    def test_a_strangers_upload_is_refused_while_it_is_being_sent(self, served: Any) -> None:
        url, tokens, folder = served
        part = 'Content-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\nactual,predicted\r\n'
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {tokens['stranger']}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as caller:
            body = f"--b\r\n{part}".encode()
            caller.sendall(head.encode() + b"%x\r\n%b\r\n" % (len(body), body))

            assert caller.recv(65_536).decode().split()[1] == "403"

        assert not (folder / "storage" / "uploads").exists()

    def test_a_form_for_another_route_is_read_up_to_the_limit(self, served: Any) -> None:
        url, _, _ = served
        part = 'Content-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\n'
        head = (
            f"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: csrftoken={'a' * 32}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {2**31}\r\n\r\n--b\r\n{part}"
        )
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as caller:
            caller.sendall(head.encode() + b"x" * 2**20)  # and no more

            assert caller.recv(65_536).decode().split()[1] == "413"


PATH = "/api/v1/models/mdl-7f3a19bc92/versions/ver-001a1/evaluations"
