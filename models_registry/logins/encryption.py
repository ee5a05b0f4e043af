"""Encryption of the secrets of second factors, with a key that follows from `SECRET_KEY`."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from django.utils.crypto import salted_hmac


class UnreadableSecretError(Exception):
    """The secret was encrypted with another `SECRET_KEY`."""


def encrypt(text: str) -> str:
    """Return the encrypted text."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Return the text. Raises `UnreadableSecretError` if the key is another one."""
    try:
        return _cipher().decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecretError from error


def _cipher() -> Fernet:
    key = salted_hmac("models_registry.logins.encryption", "two-factor", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
