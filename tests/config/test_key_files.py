"""The files of an asymmetric key that signs access tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.config.conftest import Refusal

AnyPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KEY_FILES = ["JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILE"]


def write_pem(path: Path, key: AnyPrivateKey, encryption: KeySerializationEncryption | None = None) -> str:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return str(path)


def write_public_pem(path: Path, key: AnyPrivateKey) -> str:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


def write_pair(directory: Path, private: AnyPrivateKey, public: AnyPrivateKey) -> dict[str, str]:
    return {
        "JWT_PRIVATE_KEY_FILE": write_pem(directory / "private.pem", private),
        "JWT_PUBLIC_KEY_FILE": write_public_pem(directory / "public.pem", public),
    }


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


UNUSABLE: dict[str, Callable[[], tuple[AnyPrivateKey, KeySerializationEncryption | None]]] = {
    "RSA of 1024 bits": lambda: (rsa.generate_private_key(65537, 1024), None),  # noqa: S505
    "P-384": lambda: (ec.generate_private_key(ec.SECP384R1()), None),
    "Ed25519": lambda: (ed25519.Ed25519PrivateKey.generate(), None),
    "encrypted": lambda: (p256(), BestAvailableEncryption(b"password")),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_unusable_private_key_is_refused(refusal: Refusal, tmp_path: Path, kind: str) -> None:
    key, encryption = UNUSABLE[kind]()
    files = write_pair(tmp_path, key, key)
    write_pem(tmp_path / "private.pem", key, encryption)

    line = refusal(**files)

    assert line.startswith("JWT_PRIVATE_KEY_FILE ")
    assert "2048 bits" in line


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff\xfe", None])
@pytest.mark.parametrize("name", KEY_FILES)
def test_a_file_without_a_key_is_refused(refusal: Refusal, tmp_path: Path, name: str, content: bytes | None) -> None:
    key = p256()
    files = write_pair(tmp_path, key, key)
    wrong = Path(files[name])
    wrong.unlink()
    if content is not None:
        wrong.write_bytes(content)

    assert refusal(**files).startswith(f"{name} ")


@pytest.mark.parametrize("name", KEY_FILES)
def test_one_key_file_without_the_other_is_refused(refusal: Refusal, tmp_path: Path, name: str) -> None:
    key = p256()

    assert refusal(**{**write_pair(tmp_path, key, key), name: ""}).startswith(f"{name} ")


def test_the_public_key_of_another_private_key_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(**write_pair(tmp_path, p256(), p256())).startswith("JWT_PUBLIC_KEY_FILE must hold the public half")
