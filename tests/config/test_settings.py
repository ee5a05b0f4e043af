"""A wrong setting stops the start with one line that names the variable and a right value."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from django.core.cache import CacheHandler
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).parent.parent.parent
LONG = "a key of more than thirty-two bytes, for this test only"
AnyPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KEY_FILES = ["JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILE"]

Start = Callable[..., "subprocess.CompletedProcess[str]"]
ReadSettings = Callable[..., dict[str, Any]]
Refusal = Callable[..., str]


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch) -> ReadSettings:
    """Return how to read the settings anew, from this run's environment with changes."""

    def read(**environment: str) -> dict[str, Any]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "config" / "settings.py"))

    return read


@pytest.fixture
def refusal(read_settings: ReadSettings) -> Refusal:
    """Return how to get the one line with which the settings refuse an environment."""

    def message(**environment: str) -> str:
        with pytest.raises(ImproperlyConfigured) as refused:
            read_settings(**environment)
        (line,) = str(refused.value).splitlines()
        return line

    return message


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SECRET_KEY", "", "missing; set it to at least 32 random bytes"),
        ("SECRET_KEY", "x" * 31, "has 31 bytes; set it to at least 32"),
        ("JWT_SIGNING_KEY", "", "missing; set it to at least 32 random bytes"),
        ("JWT_SIGNING_KEY", "x" * 31, "has 31 bytes; set it to at least 32"),
        ("DEBUG", "yes", "true or false"),
        ("DEBUG", "1", "true or false"),
        ("HTTPS_ONLY", "on", "true or false"),
        ("LOG_FORMAT", "xml", "text, json"),
        ("DATABASE_URL", "mysql://u:p@host/name", "postgresql://"),
        ("DATABASE_URL", "registry", "postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@host:5432/", "postgresql://"),
        ("DATABASE_URL", "postgresql://u:p@host:port/name", "postgresql://"),
        ("DATABASE_URL", "postgresql://[bad", "postgresql://"),
        ("DATABASE_URL", "sqlite:////dev/null/nope/x.sqlite3", "sqlite:////absolute/path.sqlite3"),
        ("DATABASE_REPLICA_URLS", "mysql://u:p@host/name", "postgresql://"),
        ("CACHE_URL", "", "redis://"),
        ("CACHE_URL", "memcache://host:11211", "redis://"),
        ("CACHE_URL", "pymemcache://host:11211", "redis://"),
        ("CACHE_URL", "redis://host:port/0", "redis://"),
        ("CACHE_URL", "memory", "redis://"),
        ("CACHE_URL", "nosuch://host", "redis://"),
        ("ALLOWED_HOSTS", " , ", "registry.example.com"),
        ("ALLOWED_HOSTS", "https://registry.example.com", "registry.example.com"),
        ("ALLOWED_HOSTS", "a b", "registry.example.com"),
        ("WEBHOOK_PRIVATE_HOSTS", "https://hooks.internal", "registry.example.com"),
        ("WEBHOOK_PRIVATE_HOSTS", "hooks.internal:8080", "registry.example.com"),
        ("WEBHOOK_PRIVATE_HOSTS", "*.internal", "registry.example.com"),
        ("TRUSTED_PROXIES", "-1", "at least 0"),
        ("TRUSTED_PROXIES", "one", "at least 0"),
        ("TRUSTED_PROXIES", "\u0661", "at least 0"),
        ("THROTTLE_RATE", "6000", "6000/minute"),
        ("THROTTLE_RATE", "0/minute", "6000/minute"),
        ("THROTTLE_RATE", "10/fortnight", "6000/minute"),
        ("LOGIN_THROTTLE_RATE", "many/minute", "60/minute"),
        ("AUDIT_RETENTION_DAYS", "29", "at least 30, or to 0"),
        ("AUDIT_RETENTION_DAYS", "-1", "at least 30, or to 0"),
        ("AUDIT_RETENTION_DAYS", "9" * 400, "at least 30, or to 0"),
        ("AUDIT_DENIAL_RETENTION_DAYS", "6", "at least 7, or to 0"),
        ("STORAGE_URL", "var/storage", "file:///absolute/folder"),
        ("STORAGE_URL", "file://var/storage", "file:///absolute/folder"),
        ("STORAGE_URL", "file:///proc/nope/x", "file:///absolute/folder"),
        ("STORAGE_URL", "gs://bucket", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3:///prefix", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://[bad", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://Bucket_/prefix", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://bucket?acl=public-read", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://bucket?endpoint_url", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://bucket?endpoint_url=ftp://host", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://bucket?endpoint_url=http://", "s3://bucket/prefix"),
        ("STORAGE_URL", "s3://key:secret@bucket", "AWS_SECRET_ACCESS_KEY"),
        ("REQUIRE_TWO_FACTOR", "all", "nobody, staff, everyone"),
        ("EMAIL_URL", "mail.example.com", "smtp+tls://user:password@mail.example.com:587"),
        ("EVALUATION_ENGINE", "", "duckdb"),
        ("EVALUATION_ENGINE", "spark", "local[2]"),
        ("EVALUATION_ENGINE", "local", "local[2]"),
        ("EVALUATION_ENGINE", "local[0]", "local[*]"),
        ("EVALUATION_ENGINE", "local[2]\nlocal[3]", "local[2]"),
        ("EVALUATION_ENGINE", "spark://host", "spark://host:7077"),
        ("EVALUATION_ENGINE", "spark://host:port", "spark://host:7077"),
        ("EVALUATION_ENGINE", "yarn", "spark://host:7077"),
    ],
)
def test_an_error_about_a_wrong_value_names_the_variable_and_a_right_value(
    refusal: Refusal, name: str, value: str, advice: str
) -> None:
    line = refusal(**{name: value})

    assert line.startswith(f"{name} ")
    assert advice in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "hunter2"),
        ("JWT_SIGNING_KEY", "hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@host/name"),
        ("DATABASE_URL", "postgresql://u:hunter2@host:port/name"),
        ("CACHE_URL", "nosuch://u:hunter2@host"),
        ("CACHE_URL", "redis://u:hunter2@host:port/0"),
        ("CACHE_URL", "pymemcache://u:hunter2@host"),
        ("STORAGE_URL", "s3://key:hunter2@bucket"),
        ("STORAGE_URL", "s3://bucket?endpoint_url=https://key:hunter2@host"),
        ("STORAGE_URL", "s3://bucket?aws_secret_access_key=hunter2"),
    ],
)
def test_an_error_shows_no_secret(refusal: Refusal, name: str, value: str) -> None:
    assert "hunter2" not in refusal(**{name: value})


def test_each_mistake_in_the_login_provider_has_its_own_message(
    refusal: Refusal, read_settings: ReadSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "without OIDC_LOGIN_ISSUER" in refusal(OIDC_LOGIN_CLIENT_ID="registry")
    for issuer in (
        "login.example.com",
        "http://login.example.com",
        "https://[bad",
        "https://a/?b",
        "https://a b",
        "https://" + "a" * 200,
    ):
        assert refusal(OIDC_LOGIN_ISSUER=issuer).startswith("OIDC_LOGIN_ISSUER ")
    monkeypatch.setenv("OIDC_LOGIN_ISSUER", "https://login.example.com/")
    assert refusal(OIDC_LOGIN_CLIENT_SECRET="").startswith("OIDC_LOGIN_CLIENT_SECRET is missing")
    monkeypatch.setenv("OIDC_LOGIN_CLIENT_SECRET", "secret")
    for roles in (
        "{",
        "[]",
        '{"a": "editor"}',
        '{"a": {"acme": "owner"}}',
        '{"a": {"acme": ["editor"]}}',
        "[" * 99_999,
    ):
        assert refusal(OIDC_LOGIN_ROLES=roles).startswith("OIDC_LOGIN_ROLES is ")
    monkeypatch.setenv("OIDC_LOGIN_ROLES", '{"scientists": {"acme": "editor"}}')
    assert refusal(OIDC_LOGIN_NAME="x" * 41).startswith("OIDC_LOGIN_NAME has 41")
    monkeypatch.setenv("OIDC_LOGIN_NAME", "Acme ID")
    with pytest.MonkeyPatch.context() as without:
        without.setattr("config.env.login_provider.find_spec", lambda name: None)
        assert "uv run --extra openid" in refusal()

    read = read_settings(OIDC_LOGIN_SCOPES="groups email")["OIDC_LOGIN"]
    assert (read.issuer, read.scopes) == ("https://login.example.com/", ("openid", "groups", "email"))
    assert read.roles == {"scientists": {"acme": "editor"}}


def test_links_in_e_mails_lead_to_no_host_of_a_strangers_choice(refusal: Refusal, read_settings: ReadSettings) -> None:
    for pattern in ("*", ".example.com"):
        assert refusal(EMAIL_URL="smtp://localhost:25", ALLOWED_HOSTS=f"registry.example.com,{pattern}").startswith(
            f"EMAIL_URL needs the names of the service in ALLOWED_HOSTS instead of {pattern},"
        )
    assert read_settings(EMAIL_URL="", ALLOWED_HOSTS="*")["SENDS_MAIL"] is False


def test_redis_without_its_package_is_refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    line = refusal(CACHE_URL="redis://u:hunter2@host:6379/0")

    assert line.startswith("CACHE_URL names a cache whose package is not installed")
    assert "locmemcache://" in line
    assert "hunter2" not in line


def test_redis_with_its_package_is_accepted_without_a_connection(read_settings: ReadSettings) -> None:
    pytest.importorskip("redis")

    assert read_settings(CACHE_URL="redis://host:6379/0")["CACHES"]["default"]["LOCATION"] == "redis://host:6379/0"


def test_files_go_to_a_folder_of_var_by_default(read_settings: ReadSettings) -> None:
    storage = read_settings(STORAGE_URL="")["STORAGES"]["default"]

    assert storage["BACKEND"] == "django.core.files.storage.FileSystemStorage"
    assert storage["OPTIONS"]["location"] == ROOT / "var" / "storage"
    assert storage["OPTIONS"]["file_permissions_mode"] == 0o600


def test_files_may_go_to_another_folder_which_is_created(read_settings: ReadSettings, tmp_path: Path) -> None:
    storage = read_settings(STORAGE_URL=f"file://{tmp_path}/of%20files")["STORAGES"]["default"]

    assert storage["OPTIONS"]["location"] == tmp_path / "of files"
    assert (tmp_path / "of files").is_dir()


def test_files_may_go_to_a_bucket(read_settings: ReadSettings) -> None:
    url = "s3://kept/registry/files?endpoint_url=http://127.0.0.1:9000&region_name=eu-central-1"
    storage = read_settings(STORAGE_URL=url)["STORAGES"]["default"]

    options = storage["OPTIONS"]
    assert storage["BACKEND"] == "storages.backends.s3.S3Storage"
    assert (options["bucket_name"], options["location"]) == ("kept", "registry/files")
    assert (options["endpoint_url"], options["region_name"]) == ("http://127.0.0.1:9000", "eu-central-1")


def test_a_bucket_without_its_package_is_refused(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "storages.backends", None)

    line = refusal(STORAGE_URL="s3://kept")

    assert line.startswith("STORAGE_URL names a bucket, but a package is not installed")
    assert "django-storages[s3]" in line


def test_the_local_memory_keeps_the_counts_of_thousands_of_callers(read_settings: ReadSettings) -> None:
    counts = CacheHandler(read_settings(CACHE_URL="locmemcache://thousands")["CACHES"])["default"]

    for caller in range(5000):
        counts.add(f"caller-{caller}", 1)

    assert counts.get("caller-0") == 1


def test_one_key_for_two_purposes_is_refused(refusal: Refusal) -> None:
    line = refusal(SECRET_KEY=LONG, JWT_SIGNING_KEY=LONG)

    assert line.startswith("JWT_SIGNING_KEY is the same as SECRET_KEY; set it to another key")
    assert LONG not in line


def test_a_key_may_begin_with_a_dollar(read_settings: ReadSettings) -> None:
    assert read_settings(SECRET_KEY=f"${LONG}")["SECRET_KEY"] == f"${LONG}"


@pytest.mark.parametrize(("command", "bounded"), [("migrate", False), ("demo", False), ("check", True)])
def test_only_migrations_have_no_statement_timeout(
    read_settings: ReadSettings, monkeypatch: pytest.MonkeyPatch, command: str, bounded: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    settings = read_settings(DATABASE_URL="postgresql://u:p@host/name")

    assert ("statement_timeout" in settings["DATABASES"]["default"]["OPTIONS"]["options"]) == bounded


def test_only_debug_needs_no_keys(read_settings: ReadSettings) -> None:
    settings = read_settings(SECRET_KEY="", JWT_SIGNING_KEY="", DEBUG="true")

    assert settings["DEBUG"]
    assert settings["SECRET_KEY"] != settings["SIMPLE_JWT"]["SIGNING_KEY"]


# The command line, and the production server


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return how to run Python in a process of its own, with a right setting for all but what is given."""
    right = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": LONG,
        "JWT_SIGNING_KEY": f"another {LONG}",
        "DATABASE_URL": f"sqlite:///{tmp_path}/registry.sqlite3",
    }

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**right, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_the_service_starts_with_valid_settings(start: Start) -> None:
    ended = start("manage.py", "check")

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "migrate", "runserver", "seed", "gate"])
def test_a_wrong_setting_ends_any_command_with_exit_status_2_and_one_line(start: Start, command: str) -> None:
    ended = start("manage.py", command, SECRET_KEY="")

    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Wrong settings: SECRET_KEY is missing; set it to ")
    assert "set -a; . var/demo.env; set +a" in line


@pytest.mark.parametrize(
    ("environment", "named"),
    [({"DEBUG": "true"}, "DEBUG is true"), ({"SECRET_KEY": ""}, "SECRET_KEY is missing"), ({}, "")],
)
def test_the_production_server_refuses_debug_and_wrong_settings(
    start: Start, environment: dict[str, str], named: str
) -> None:
    ended = start("-c", "import config.wsgi", **environment)

    assert (ended.returncode == 0) == (not environment)
    assert named in ended.stderr.strip().rpartition("\n")[2]


# Key files


def write_pem(path: Path, key: AnyPrivateKey, encryption: KeySerializationEncryption | None = None) -> str:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return str(path)


def write_public_pem(path: Path, key: AnyPrivateKey) -> str:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


def pair(directory: Path, private: AnyPrivateKey, public: AnyPrivateKey) -> dict[str, str]:
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
    files = pair(tmp_path, key, key)
    write_pem(tmp_path / "private.pem", key, encryption)

    line = refusal(**files)

    assert line.startswith("JWT_PRIVATE_KEY_FILE ")
    assert "2048 bits" in line


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff\xfe", None])
@pytest.mark.parametrize("name", KEY_FILES)
def test_a_file_without_a_key_is_refused(refusal: Refusal, tmp_path: Path, name: str, content: bytes | None) -> None:
    key = p256()
    files = pair(tmp_path, key, key)
    wrong = Path(files[name])
    wrong.unlink()
    if content is not None:
        wrong.write_bytes(content)

    assert refusal(**files).startswith(f"{name} ")


@pytest.mark.parametrize("name", KEY_FILES)
def test_one_key_file_without_the_other_is_refused(refusal: Refusal, tmp_path: Path, name: str) -> None:
    key = p256()

    assert refusal(**{**pair(tmp_path, key, key), name: ""}).startswith(f"{name} ")


def test_the_public_key_of_another_private_key_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    assert refusal(**pair(tmp_path, p256(), p256())).startswith("JWT_PUBLIC_KEY_FILE must hold the public half")
