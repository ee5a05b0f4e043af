"""A wrong setting is refused in one line that names the variable and a right value."""

import sys

import pytest

from tests.config.conftest import ReadSettings, Refusal

LONG_KEY = "a key of more than thirty-two bytes, for this test only"


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


def test_one_key_for_two_purposes_is_refused(refusal: Refusal) -> None:
    line = refusal(SECRET_KEY=LONG_KEY, JWT_SIGNING_KEY=LONG_KEY)

    assert line.startswith("JWT_SIGNING_KEY is the same as SECRET_KEY; set it to another key")
    assert LONG_KEY not in line


def test_a_key_may_begin_with_a_dollar(read_settings: ReadSettings) -> None:
    assert read_settings(SECRET_KEY=f"${LONG_KEY}")["SECRET_KEY"] == f"${LONG_KEY}"


def test_only_debug_needs_no_keys(read_settings: ReadSettings) -> None:
    settings = read_settings(SECRET_KEY="", JWT_SIGNING_KEY="", DEBUG="true")

    assert settings["DEBUG"]
    assert settings["SECRET_KEY"] != settings["SIMPLE_JWT"]["SIGNING_KEY"]


@pytest.mark.parametrize(("command", "bounded"), [("migrate", False), ("demo", False), ("check", True)])
def test_only_migrations_have_no_statement_timeout(
    read_settings: ReadSettings, monkeypatch: pytest.MonkeyPatch, command: str, bounded: bool
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    settings = read_settings(DATABASE_URL="postgresql://u:p@host/name")

    assert ("statement_timeout" in settings["DATABASES"]["default"]["OPTIONS"]["options"]) == bounded


def test_links_in_e_mails_lead_to_no_host_of_a_strangers_choice(refusal: Refusal, read_settings: ReadSettings) -> None:
    for pattern in ("*", ".example.com"):
        assert refusal(EMAIL_URL="smtp://localhost:25", ALLOWED_HOSTS=f"registry.example.com,{pattern}").startswith(
            f"EMAIL_URL needs the names of the service in ALLOWED_HOSTS instead of {pattern},"
        )
    assert read_settings(EMAIL_URL="", ALLOWED_HOSTS="*")["SENDS_MAIL"] is False


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
