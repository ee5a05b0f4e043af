"""With key files, tokens are signed with RS256 or ES256, and only the private key can sign them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.originals import migrate

ROOT = Path(__file__).parent.parent.parent.parent
SECRET = "a key of more than thirty-two bytes, for this test only"

# Runs in its own process, because keys are read at the start. It prints the result for each token.
SCRIPT = """
import base64, hmac, json, os, sys
from pathlib import Path

import django

django.setup()

from django.test import Client

from models_registry.registry.models import User

User.objects.create_user("root", password="x", is_superuser=True)

TOKEN = "/api/v1/auth/token"


def post(path, **body):
    return Client().post(path, body, content_type="application/json")


def read(token):
    return Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/models/mdl-0000000000/performance/summary")


def segment(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def by_hmac(token, key):
    signed = segment(b'{"alg": "%b"}' % algorithm.encode()) + b"." + token.split(".")[1].encode()
    return (signed + b"." + segment(hmac.digest(key, signed, "sha256"))).decode()


pair = post(TOKEN, username="root", password="x").json()
header, payload, signature = pair["access"].split(".")
public = Path(os.environ["JWT_PUBLIC_KEY_FILE"]).read_bytes()
results = {"header": json.loads(base64.urlsafe_b64decode(header + "=="))}
rotated = post(f"{TOKEN}/refresh", refresh=pair["refresh"])
tokens = {"genuine": pair["access"], "rotated": rotated.json()["access"], "refresh": pair["refresh"]}
tokens["signature cut"] = pair["access"][:-8]
tokens["claims swapped"] = f"{header}.{pair['refresh'].split('.')[1]}.{signature}"
for algorithm in ("HS256", "RS256", "ES256", "none"):
    tokens[f"{algorithm} by HMAC of the public key"] = by_hmac(pair["access"], public)
    tokens[f"{algorithm} by HMAC of the public key, stripped"] = by_hmac(pair["access"], public.strip())
    tokens[f"{algorithm} by HMAC of JWT_SIGNING_KEY"] = by_hmac(pair["access"], os.environ["JWT_SIGNING_KEY"].encode())
results["answers"] = {name: read(token).json()["code"] for name, token in tokens.items()}
json.dump(results, sys.stdout)
"""


def keys_of(algorithm: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    return rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_only_the_private_key_makes_tokens(tmp_path: Path, algorithm: str) -> None:
    key = keys_of(algorithm)
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    results = run(tmp_path, JWT_PRIVATE_KEY_FILE=str(private), JWT_PUBLIC_KEY_FILE=str(public))

    answers = results["answers"]
    assert results["header"] == {"alg": algorithm, "typ": "JWT"}
    # A superuser's token goes as far as the missing model.
    assert {answers.pop("genuine"), answers.pop("rotated")} == {"model_not_found"}
    assert set(answers.values()) == {"invalid_token"}
    assert len(answers) == 15


def run(directory: Path, **environment: str) -> dict[str, Any]:
    """Run the script on a new database."""
    database = f"sqlite:///{directory}/registry.sqlite3"
    migrate(database)
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database,
            "ALLOWED_HOSTS": "testserver",
            "HTTPS_ONLY": "false",
            "SECRET_KEY": SECRET,
            "JWT_SIGNING_KEY": f"another {SECRET}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    results: dict[str, Any] = json.loads(ended.stdout)
    return results
