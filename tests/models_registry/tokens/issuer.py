"""A CI system's identity provider on the loopback interface. It publishes keys and signs tokens with them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "model-performance-registry"
CLAIMS = {
    "sub": "repo:acme/churn:ref:refs/heads/main",
    "repository": "acme/churn",
    "ref": "refs/heads/main",
    "environment": "production",
}


class Issuer:
    """An issuer with one key at a time. Tests replace `answer` to make it misbehave; `asked` counts its answers."""

    def __init__(self) -> None:
        self.asked = 0
        self.port = 0
        self.answer: Callable[[BaseHTTPRequestHandler], None] = self.publish
        self.rotate("first")

    @property
    def jwks_url(self) -> str:
        """The URL of the keys."""
        return f"http://127.0.0.1:{self.port}/.well-known/jwks"

    def rotate(self, kid: str) -> None:
        """Replace the key. The old key is no longer published."""
        self.kid, self.key = kid, new_key()

    def keys(self) -> dict[str, Any]:
        """Return the JWKS document."""
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]}

    def publish(self, request: BaseHTTPRequestHandler) -> None:
        """Answer with the keys."""
        send(request, 200, json.dumps(self.keys()).encode())

    def token(self, *, key: Any = None, algorithm: str = "RS256", headers: Any = None, **claims: Any) -> str:
        """Return a token for a job on the main branch. These claims replace the defaults; `None` omits a claim."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, **CLAIMS}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.key, algorithm=algorithm, headers={"kid": self.kid, **(headers or {})})


@contextmanager
def publishing() -> Iterator[Issuer]:
    """Run an issuer inside the block."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            issuer.asked += 1
            issuer.answer(self)

        def log_message(self, *arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def new_key() -> rsa.RSAPrivateKey:
    """Return a private key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def send(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Answer a request."""
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)
