"""Settings, from the environment and an optional `.env`. An invalid value prevents the start."""

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import global_settings
from django.urls import reverse_lazy

from config.admin.appearance import UNFOLD as UNFOLD
from config.content_security import PLAIN
from config.env.databases import cache, database
from config.env.email import email
from config.env.keys import jwt_keys, optional_secret, secret
from config.env.login_provider import login_provider
from config.env.readers import (
    count,
    engine,
    exact_hosts,
    flag,
    hosts,
    one_of,
    rate,
    read,
    read_env_file,
    retention_days,
)
from config.env.storages import storage
from config.logs import FORMATS, logging_config
from models_registry.db.secret_files import restrict_to_owner

BASE_DIR = Path(__file__).resolve().parent.parent
read_env_file()

# Only the owner may read what is stored here: the database, predictions, keys and temporary files.
VAR = BASE_DIR / "var"
for _folder in (VAR, VAR / "storage", VAR / "tmp"):
    restrict_to_owner(_folder)
restrict_to_owner(VAR / "demo.env")

DEBUG = flag("DEBUG", default=False)
SECRET_KEY = secret("SECRET_KEY", debug=DEBUG)
ALLOWED_HOSTS = hosts("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
TRUSTED_PROXIES = count("TRUSTED_PROXIES", default=0)
HTTPS_ONLY = flag("HTTPS_ONLY", default=not DEBUG)

# Applications, middleware and templates

INSTALLED_APPS = [
    "models_registry",
    "performance",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "config.admin.site.AdminSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "models_registry.logins.apps.AccountsConfig",
    "allauth.socialaccount",
    "allauth.mfa",
    "auditlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "config.observability.RequestIDMiddleware",
    "config.api_middleware.APIMiddleware",  # those below do not run for `/api/v1/`: it does what they do for pages
    "config.content_security.ContentSecurityPolicyMiddleware",
    "config.header_limits.HeaderLimitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.admin.middleware.AdminCsrfMiddleware",
    "config.admin.middleware.AdminDenialMiddleware",
    "config.admin.middleware.AdminGuardMiddleware",
    "config.admin.middleware.AdminLoginMiddleware",
    "config.admin.middleware.AdminSessionMiddleware",
    "config.admin.middleware.AdminAuthenticationMiddleware",
    "config.admin.middleware.AdminMessageMiddleware",
    "config.admin.middleware.AdminAxesMiddleware",
    "config.admin.middleware.AdminAccountMiddleware",
    "config.admin.middleware.AdminTwoFactorMiddleware",
]
ROOT_URLCONF = "config.urls"
FORCE_SCRIPT_NAME = ""  # what the server gives anyway; Django would work it out twice for each request
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"

# Databases and cache

DATABASES: dict[str, dict[str, Any]] = {
    "default": database("DATABASE_URL", read("DATABASE_URL", default=f"sqlite:///{VAR}/registry.sqlite3"))
}
_replicas = read("DATABASE_REPLICA_URLS").split(",") if read("DATABASE_REPLICA_URLS") else []
DATABASES |= {
    f"replica{number}": database("DATABASE_REPLICA_URLS", url.strip()) for number, url in enumerate(_replicas, 1)
}
REPLICAS = [alias for alias in DATABASES if alias != "default"]
CACHES = {"default": cache("CACHE_URL", default="locmemcache://")}

# Files of predictions

STORAGES: dict[str, dict[str, Any]] = {
    "default": storage("STORAGE_URL", default=VAR / "storage"),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

# Evaluation on the command line

EVALUATION_ENGINE = engine("EVALUATION_ENGINE")

# Authentication

AUTH_USER_MODEL = "models_registry.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "models_registry.tokens.backends.PeopleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_HASHERS = [
    "models_registry.tokens.hashers.BoundedPasswordHasher",
    *(name for name in global_settings.PASSWORD_HASHERS if not name.endswith(".PBKDF2PasswordHasher")),
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_LOCKOUT_CALLABLE = "config.admin.middleware.locked_out"
AXES_CLIENT_IP_CALLABLE = "models_registry.api.client_address.client_network"
AXES_HANDLER = "models_registry.tokens.lockout.LockoutHandler"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # a refused attempt does not count as a failure
ACCOUNT_FAILURE_LIMIT = 30  # per user and AXES_COOLOFF_TIME, from any address; then attempts are slowed down
ACCOUNT_ATTEMPT_INTERVAL = timedelta(seconds=10)  # between the attempts that are slowed down
AXES_VERBOSE = False
# The middleware that they look for is there, for the admin: config.admin.middleware.
SILENCED_SYSTEM_CHECKS = ["axes.W002", "security.W003"]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
PASSWORD_RESET_TIMEOUT = 3600  # seconds that a link for a new password works

# Logging in with a second factor or an OpenID provider, by allauth. Lockouts are those of axes.

REQUIRE_TWO_FACTOR = one_of("REQUIRE_TWO_FACTOR", ("nobody", "staff", "everyone"))
OIDC_LOGIN = login_provider()
ACCOUNT_ADAPTER = "models_registry.logins.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {"reauthenticate": "models_registry.logins.forms.ConfirmPasswordForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_RATE_LIMITS = False
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_UNIQUE_EMAIL = False  # an address identifies nobody
MFA_ADAPTER = "models_registry.logins.adapters.MFAAdapter"
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "reauthenticate": "models_registry.logins.forms.ReauthenticateForm",
    "activate_totp": "models_registry.logins.forms.ActivateForm",
}
MFA_TOTP_ISSUER = "Model Performance Registry"
MFA_TOTP_TOLERANCE = 1  # codes before and after the present one, for clocks that differ
SOCIALACCOUNT_ADAPTER = "models_registry.logins.adapters.SocialAccountAdapter"

# E-mail, for forgotten passwords

SENDS_MAIL = bool(read("EMAIL_URL"))
globals().update(email("EMAIL_URL", allowed_hosts=ALLOWED_HOSTS))  # Django 6.1 has other names for them than 5.2
DEFAULT_FROM_EMAIL = read("EMAIL_FROM", default="registry@localhost")
MAIL_SENT_BEHIND = True  # in a thread, so that the time of an answer says nothing about an address

# Tokens

JWT_PRIVATE_KEY_FILE = read("JWT_PRIVATE_KEY_FILE")
CLOCK_LEEWAY = 10  # seconds that a token's `iat` and `nbf` may be in the future; `exp` has no leeway
SIMPLE_JWT = {
    **jwt_keys(debug=DEBUG),
    "ISSUER": "model-performance-registry",
    "AUDIENCE": "model-performance-registry",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "CHECK_REVOKE_TOKEN": True,
    "LEEWAY": CLOCK_LEEWAY,
}
OIDC_ALLOWED_HOSTS = exact_hosts("OIDC_ALLOWED_HOSTS", default=["token.actions.githubusercontent.com", "gitlab.com"])

# Webhooks: hosts in private networks that they may reach, in addition to public ones
WEBHOOK_PRIVATE_HOSTS = exact_hosts("WEBHOOK_PRIVATE_HOSTS", default=[])

# The audit trail

AUDITLOG_LOGENTRY_MODEL = "models_registry.AuditEntry"
AUDITLOG_CID_GETTER = "config.logs.current_request_id"
AUDITLOG_STORE_JSON_CHANGES = True
# The database itself refuses to delete newer entries: see the migration `audit_trail_retention`.
AUDIT_RETENTION_DAYS = retention_days("AUDIT_RETENTION_DAYS", default=730, minimum=30)
AUDIT_DENIAL_RETENTION_DAYS = retention_days("AUDIT_DENIAL_RETENTION_DAYS", default=90, minimum=7)
DENIALS_WRITTEN_BEHIND = True  # in a thread, so that a refusal does not wait for a write
DENIALS_PENDING = 10_000  # rows waiting to be written; further denials are only counted, in one row
MIGRATION_MODULES = {"auditlog": None}  # its own table is not used

# The API

MAX_BODY_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
MAX_UPLOAD_BYTES = count("MAX_UPLOAD_MB", default=1024, minimum=1) * 2**20  # of a file of predictions
MAX_QUEUED_EVALUATIONS = count("MAX_QUEUED_EVALUATIONS", default=100, minimum=1)  # queued or running, per organization
EVALUATION_RETENTION_DAYS = count("EVALUATION_RETENTION_DAYS", default=30, minimum=1)  # from the end of an evaluation
# An unexpected file above 2.5 MB is skipped: it is stored neither in memory nor on disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["models_registry.tokens.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["models_registry.api.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "models_registry.api.negotiation.ContentNegotiation",
    "DEFAULT_PARSER_CLASSES": ["models_registry.api.parsers.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["models_registry.api.throttling.CallerThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "caller": rate("THROTTLE_RATE", default="6000/minute"),
        "login": rate("LOGIN_THROTTLE_RATE", default="60/minute"),
        "refusal": rate("THROTTLE_RATE", default="6000/minute"),
        "denial": "600/minute",
    },
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "config.openapi.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "config.problems.exception_handler",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Model Performance Registry",
    "VERSION": "1",
    "DESCRIPTION": "The metrics of trained models on held-out data, with access rights.",
    "DEFAULT_GENERATOR_CLASS": "config.openapi_style.CompactSchemaGenerator",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": False},  # its links are nested in buttons, which screen readers don't read
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "config.openapi_hooks.share_parameters",
        "config.openapi_hooks.allow_null_references",
        "config.openapi_hooks.join_blank_strings",
        "config.openapi_hooks.name_operators",
        "config.openapi_hooks.drop_enum_ids",
        "config.openapi_hooks.share_security",
    ],
}

# Transport

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"  # output of collectstatic, plain and compressed
WHITENOISE_USE_FINDERS = not STATIC_ROOT.is_dir()  # without collected files, serve the packages' own, uncompressed
warnings.filterwarnings("ignore", "No directory at", UserWarning)  # from whitenoise without collected files
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_CSP = PLAIN  # for Django 6; config.content_security has the policies of other pages
CONTENT_SECURITY_POLICY = {"DIRECTIVES": SECURE_CSP}  # for django-csp on Django 5.2
SESSION_COOKIE_SECURE = HTTPS_ONLY
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = (
    True  # and after SESSION_COOKIE_AGE at the latest, even if the browser restores the session
)
MESSAGE_STORAGE = (
    "django.contrib.messages.storage.session.SessionStorage"  # not in a cookie, as a message may contain a secret
)
CSRF_COOKIE_SECURE = HTTPS_ONLY
CSRF_FAILURE_VIEW = "config.problems.csrf_failure"
X_FRAME_OPTIONS = "DENY"

# Metrics, for a Prometheus that has the token

METRICS_TOKEN = optional_secret("METRICS_TOKEN")

# Logs

ACCESS_LOG = flag("ACCESS_LOG", default=False)
LOGGING = logging_config(one_of("LOG_FORMAT", FORMATS))

# The appearance of the admin

FORMAT_MODULE_PATH = "config.formats"
