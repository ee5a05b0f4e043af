"""The environment variables that the service reads. The configuration page and its test follow from this table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable. `default` is its text, or says in words what applies without it."""

    name: str
    default: str
    example: str
    description: str


VARIABLES = (
    Variable(
        "SECRET_KEY",
        default="none, required",
        example="the output of the command below",
        description=(
            "Signs the admin's sessions and the URLs of badges, and encrypts the secrets of authenticator apps. "
            "32 bytes or more."
        ),
    ),
    Variable(
        "JWT_SIGNING_KEY",
        default="none, required without key files",
        example="another output of the command below",
        description="Signs tokens with HS256. 32 bytes or more, and different from `SECRET_KEY`.",
    ),
    Variable(
        "JWT_PRIVATE_KEY_FILE",
        default="none",
        example="/run/secrets/jwt.pem",
        description=(
            "Signs tokens instead of `JWT_SIGNING_KEY`. An unencrypted PEM file with an RSA key of 2048 bits or more "
            "(RS256) or a P-256 key (ES256)."
        ),
    ),
    Variable(
        "JWT_PUBLIC_KEY_FILE",
        default="none",
        example="/run/secrets/jwt.pub.pem",
        description="The public half of `JWT_PRIVATE_KEY_FILE`. Required with it.",
    ),
    Variable(
        "ALLOWED_HOSTS",
        default="localhost,127.0.0.1,[::1]",
        example="registry.example.com,localhost",
        description="The host names that the service answers for.",
    ),
    Variable(
        "HTTPS_ONLY",
        default="true, or false with DEBUG=true",
        example="false",
        description="Redirects HTTP to HTTPS, sends HSTS and restricts cookies to HTTPS.",
    ),
    Variable(
        "TRUSTED_PROXIES",
        default="0",
        example="1",
        description=(
            "The number of proxies in front of the service that set `X-Forwarded-For` and `X-Forwarded-Proto`."
        ),
    ),
    Variable(
        "DATABASE_URL",
        default="SQLite in var/registry.sqlite3",
        example="postgresql://user:password@db:5432/registry",
        description="The database: PostgreSQL in production, SQLite to try the service.",
    ),
    Variable(
        "DATABASE_REPLICA_URLS",
        default="none",
        example="postgresql://user:password@replica:5432/registry",
        description="Read replicas, separated by commas. Reads of performance use them.",
    ),
    Variable(
        "CACHE_URL",
        default="locmemcache://",
        example="redis://redis:6379/0",
        description=(
            "Where requests are counted. By default each process counts its own; with Redis all processes count "
            "together."
        ),
    ),
    Variable(
        "STORAGE_URL",
        default="the folder var/storage",
        example="s3://bucket/prefix?endpoint_url=https://minio:9000&region_name=eu-central-1",
        description=(
            "Where predictions are stored: a folder (`file:///srv/registry`), or an S3 bucket with the package "
            "`django-storages[s3]`. Credentials of the bucket come from AWS's usual variables, never from this URL."
        ),
    ),
    Variable(
        "THROTTLE_RATE",
        default="6000/minute",
        example="100/second",
        description=(
            "The most requests of one user, or of one address without a token, per `second`, `minute`, `hour` or "
            "`day`. The same rate limits the 401 and 403 responses to one address. An IPv6 address counts by its /64."
        ),
    ),
    Variable(
        "LOGIN_THROTTLE_RATE",
        default="60/minute",
        example="10/minute",
        description="The most requests of one address to the token routes.",
    ),
    Variable(
        "OIDC_ALLOWED_HOSTS",
        default="token.actions.githubusercontent.com,gitlab.com",
        example="token.actions.githubusercontent.com,gitlab.example.com",
        description="The hosts that trusted issuers and their keys may be on.",
    ),
    Variable(
        "OIDC_LOGIN_ISSUER",
        default="none",
        example="https://login.example.com/realms/acme",
        description=(
            "The OpenID provider that people log in with, as it calls itself. [Let people log in]"
            "(../how-to/log-in.md) explains these variables."
        ),
    ),
    Variable(
        "OIDC_LOGIN_CLIENT_ID",
        default="none, required with an issuer",
        example="model-performance-registry",
        description="The id that the provider knows this service by.",
    ),
    Variable(
        "OIDC_LOGIN_CLIENT_SECRET",
        default="none, required with an issuer",
        example="what the provider issued",
        description="The secret that the provider issued for this id.",
    ),
    Variable(
        "OIDC_LOGIN_NAME",
        default="single sign-on",
        example="Acme ID",
        description="What the login page calls the provider: *Log in with Acme ID*. Up to 40 characters.",
    ),
    Variable(
        "OIDC_LOGIN_SCOPES",
        default="openid profile email",
        example="openid profile email groups",
        description="What the service asks the provider for.",
    ),
    Variable(
        "OIDC_LOGIN_GROUPS_CLAIM",
        default="groups",
        example="roles",
        description="The claim that lists a person's groups.",
    ),
    Variable(
        "OIDC_LOGIN_ROLES",
        default="{}",
        example='{"data-scientists": {"acme": "editor"}}',
        description="The roles that a group gives, by the slug of the organization, as JSON.",
    ),
    Variable(
        "OIDC_LOGIN_CREATES_USERS",
        default="true",
        example="false",
        description="Whether a first login makes a user. Otherwise, a superuser lets each person in.",
    ),
    Variable(
        "REQUIRE_TWO_FACTOR",
        default="nobody",
        example="everyone",
        description=(
            "Who must have a second factor to log in with a password: `nobody`, `staff` (with superusers) or "
            "`everyone`. They are led to set it up, and a password alone gets them no token."
        ),
    ),
    Variable(
        "EMAIL_URL",
        default="none, no e-mail is sent",
        example="smtp+tls://user:password@mail.example.com:587",
        description=(
            "The server that sends links for forgotten passwords: `smtp://`, `smtp+tls://` (STARTTLS), `smtp+ssl://`, "
            "or `consolemail://` to write e-mail to the log. Quote special characters in the password, such as `%40`. "
            "`ALLOWED_HOSTS` must then name the hosts, as the links lead there."
        ),
    ),
    Variable(
        "EMAIL_FROM",
        default="registry@localhost",
        example="registry@example.com",
        description="The sender of e-mail.",
    ),
    Variable(
        "WEBHOOK_PRIVATE_HOSTS",
        default="none",
        example="hooks.internal,10.0.0.7",
        description=(
            "Hosts of your own network that webhooks may reach, on any port and without TLS. Hosts of the public "
            "internet need no entry."
        ),
    ),
    Variable(
        "MAX_UPLOAD_MB",
        default="1024",
        example="200",
        description="The largest file of predictions that may be uploaded, in MB.",
    ),
    Variable(
        "AUDIT_RETENTION_DAYS",
        default="730",
        example="3650",
        description="How many days the audit trail keeps writes: 30 or more, or 0 to keep them for ever.",
    ),
    Variable(
        "AUDIT_DENIAL_RETENTION_DAYS",
        default="90",
        example="30",
        description="How many days the audit trail keeps denials: 7 or more, or 0 to keep them for ever.",
    ),
    Variable(
        "MAX_QUEUED_EVALUATIONS",
        default="100",
        example="20",
        description=(
            "The most evaluations that an organization may have queued and running. Further uploads are answered 429."
        ),
    ),
    Variable(
        "EVALUATION_RETENTION_DAYS",
        default="30",
        example="7",
        description="How many days `purge` keeps an ended evaluation. Its snapshot stays.",
    ),
    Variable(
        "EVALUATION_ENGINE",
        default="duckdb",
        example="spark://spark.example.com:7077",
        description=(
            "The engine of `manage.py evaluate`: `duckdb` in the same process, or Apache Spark as `local[2]` (two "
            "cores of this machine), `local[*]` (all cores) or the URL of a cluster."
        ),
    ),
    Variable(
        "METRICS_TOKEN",
        default="none, which closes `/metrics`",
        example="the output of the command below",
        description="The bearer token by which Prometheus reads `/metrics`. 32 bytes or more.",
    ),
    Variable(
        "ACCESS_LOG",
        default="false",
        example="true",
        description="Logs one line for each request: method, route, status, duration, user, address.",
    ),
    Variable(
        "LOG_FORMAT",
        default="text",
        example="json",
        description="The format of the log on standard error: `text` or `json`.",
    ),
    Variable(
        "DEBUG",
        default="false",
        example="true",
        description=(
            "For development with `manage.py runserver` only: error pages show internals, and keys may be missing. "
            "The production server refuses to start with it."
        ),
    ),
)
