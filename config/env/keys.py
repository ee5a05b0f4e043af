"""Read the keys that sign sessions and tokens."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.core.exceptions import ImproperlyConfigured

from config.env.readers import read

MIN_KEY_BYTES = 32
KEY_COMMAND = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
DEMO_KEYS = " (the keys of the demo are loaded by: set -a; . var/demo.env; set +a)"


def secret(name: str, *, debug: bool) -> str:
    """Return a key of at least 32 bytes. It may be missing only with DEBUG=true."""
    text = read(name)
    if not text and debug:
        return f"{name} for local development only, not a secret"
    if len(text.encode()) < MIN_KEY_BYTES:
        fault, demo = ("is missing", DEMO_KEYS) if not text else (f"has {len(text.encode())} bytes", "")
        raise ImproperlyConfigured(
            f"{name} {fault}; set it to at least {MIN_KEY_BYTES} random bytes, for example the output of: "
            f"{KEY_COMMAND}{demo}"
        )
    return text


def optional_secret(name: str) -> str:
    """Return a key of at least 32 bytes, or the empty string if the variable is not set."""
    return secret(name, debug=False) if read(name) else ""


def jwt_keys(*, debug: bool) -> dict[str, str]:
    """Return simplejwt's algorithm and keys, from the key files if they are set, else from JWT_SIGNING_KEY.

    An RSA key gives RS256, a P-256 key ES256, and JWT_SIGNING_KEY HS256.
    """
    files = {name: read(name) for name in ("JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILE")}
    if not any(files.values()):
        return {"ALGORITHM": "HS256", "SIGNING_KEY": _signing_key(debug=debug)}
    private, public = (_key_file(name, path) for name, path in files.items())
    algorithm = _algorithm(private)
    _check_public_key(private, public)
    return {"ALGORITHM": algorithm, "SIGNING_KEY": private, "VERIFYING_KEY": public}


def _signing_key(*, debug: bool) -> str:
    key = secret("JWT_SIGNING_KEY", debug=debug)
    if key == read("SECRET_KEY"):
        raise ImproperlyConfigured(
            f"JWT_SIGNING_KEY is the same as SECRET_KEY; set it to another key, "
            f"for example the output of: {KEY_COMMAND}"
        )
    return key


def _key_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise ImproperlyConfigured(f"{name} is {path!r}; set it to a readable PEM file.") from None


def _algorithm(private: str) -> str:
    try:
        key = load_pem_private_key(private.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    raise ImproperlyConfigured(
        "JWT_PRIVATE_KEY_FILE holds no usable key; set it to a PEM file with an unencrypted RSA key of 2048 bits "
        "or more, or a P-256 key."
    )


def _check_public_key(private: str, public: str) -> None:
    own = load_pem_private_key(private.encode(), password=None).public_key()
    try:
        given = load_pem_public_key(public.encode())
    except ValueError:
        given = None
    if own != given:
        raise ImproperlyConfigured("JWT_PUBLIC_KEY_FILE must hold the public half of JWT_PRIVATE_KEY_FILE, as PEM.")
