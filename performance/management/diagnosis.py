"""The examinations of `manage.py doctor`."""

import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor

from models_registry.accounts.models import Organization
from performance.jobs.models import Worker
from performance.management.findings import Finding, Level

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", "0.0.0.0"}  # noqa: S104  # names, to which nothing is bound
OTHERS = stat.S_IRWXG | stat.S_IRWXO
ROLE = """
SELECT rolsuper, EXISTS (SELECT FROM pg_class WHERE relname = 'performance_worker' AND relowner = pg_roles.oid),
    NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
                AND NOT has_table_privilege(pg_class.oid, 'SELECT'))
FROM pg_roles WHERE rolname = current_user
"""


def diagnose() -> Iterator[Finding]:
    """Yield what each examination finds. One that fails is an error itself."""
    yield from _settings()
    yield from _guarded("keys", _keys)
    yield from _proxies()
    is_reachable = True
    for alias in connections:
        for finding in _database(alias):
            is_reachable = is_reachable and finding.level != "error"
            yield finding
    if is_reachable:
        yield from _guarded("migrations", _migrations)
        if connection.vendor == "postgresql":
            yield from _guarded("role", _role)
        yield from _guarded("worker", _worker)
        yield from _guarded("logins", _logins)
    yield from _guarded("storage", _storage)
    yield from _guarded("cache", _cache)


def _guarded(subject: str, examine: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from examine()
    except Exception as error:  # what is wrong with a service may raise anything
        yield Finding(subject, "error", f"{type(error).__name__}: {' '.join(str(error).split())}.")


def _settings() -> Iterator[Finding]:
    """Report what Django's own checks for a deployment say."""
    messages = [each for each in checks.run_checks(include_deployment_checks=True) if not each.is_silenced()]
    for message in messages:
        level: Level = "error" if message.level >= checks.ERROR else "warning"
        yield Finding("settings", level, f"{message.msg} ({message.id})", message.hint or "")
    if "*" in settings.ALLOWED_HOSTS:
        yield Finding("settings", "warning", "ALLOWED_HOSTS allows any host.", "Name the service's hosts.")
    if not messages:
        yield Finding("settings", "ok", "Django's checks for a deployment find nothing.")


def _keys() -> Iterator[Finding]:
    """Report key files that others may read. The settings have checked the length of the keys."""
    files = [settings.BASE_DIR / ".env", settings.BASE_DIR / "var" / "demo.env", *_key_files()]
    exposed = [file for file in files if file.exists() and file.stat().st_mode & OTHERS]
    for file in exposed:
        yield Finding("keys", "warning", f"Others than the owner may read {file}.", f"Run: chmod go= {file}")
    if not exposed:
        yield Finding("keys", "ok", f"The keys are long enough ({settings.SIMPLE_JWT['ALGORITHM']}) and private.")


def _key_files() -> list[Path]:
    return [Path(settings.JWT_PRIVATE_KEY_FILE)] if settings.JWT_PRIVATE_KEY_FILE else []


def _logins() -> Iterator[Finding]:
    """Report organizations that groups of the OpenID provider give roles in, but that do not exist."""
    roles = settings.OIDC_LOGIN.roles if settings.OIDC_LOGIN else {}
    named = {slug for mapped in roles.values() for slug in mapped}
    unknown = named - set(Organization.objects.filter(slug__in=named).values_list("slug", flat=True))
    if unknown:
        message = f"OIDC_LOGIN_ROLES names organizations that do not exist: {', '.join(sorted(unknown))}."
        yield Finding("logins", "warning", message, "Create them, or correct their slugs.")


def _proxies() -> Iterator[Finding]:
    is_public = not LOCAL_HOSTS.issuperset(settings.ALLOWED_HOSTS)
    if settings.SECURE_SSL_REDIRECT and not settings.TRUSTED_PROXIES:
        message = "Every request over HTTP is redirected to HTTPS, because no proxy is trusted to have ended TLS."
        hint = "Set TRUSTED_PROXIES to the number of proxies, or HTTPS_ONLY=false to serve without TLS on localhost."
        yield Finding("proxy", "warning", message, hint)
    elif not settings.SECURE_SSL_REDIRECT and is_public:
        message = "HTTPS_ONLY is false, so passwords and tokens may cross the network unencrypted."
        yield Finding("proxy", "warning", message, "Set HTTPS_ONLY=true behind a proxy that ends TLS.")
    else:
        message = f"HTTPS_ONLY and TRUSTED_PROXIES={settings.TRUSTED_PROXIES} fit together."
        hint = "Each proxy must append to X-Forwarded-For; the first must set X-Forwarded-Proto."
        yield Finding("proxy", "ok", message, hint if settings.TRUSTED_PROXIES else "")


def _database(alias: str) -> Iterator[Finding]:
    subject = "database" if alias == "default" else alias
    database = connections[alias]
    try:
        database.ensure_connection()
        version = ".".join(map(str, database.get_database_version()))
        database.check_database_version_supported()
    except Error as error:
        message = f"It cannot be reached: {' '.join(str(error).split())}."
        yield Finding(subject, "error", message, "Start it, or correct its URL in the settings.")
        return
    except Exception as error:  # NotSupportedError
        yield Finding(subject, "error", str(error), "Use a newer version.")
        return
    if database.vendor == "sqlite":
        yield Finding(subject, "warning", f"SQLite {version} is for trying out.", "Set DATABASE_URL to PostgreSQL.")
    else:
        yield Finding(subject, "ok", f"PostgreSQL {version} answers.")


def _migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        yield Finding("migrations", "error", f"{missing} are not applied.", "Run: manage.py migrate")
    else:
        yield Finding("migrations", "ok", "All are applied.")


def _role() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(ROLE)
        is_superuser, owns_tables, may_read = cursor.fetchone()
    if is_superuser or owns_tables:
        message = f"The service runs as {'a superuser' if is_superuser else 'the owner of the tables'}."
        hint = "Run it as a second role: manage.py grant_runtime_role ROLE"
        yield Finding("role", "warning", message, hint)
    elif not may_read:
        hint = "Run as the owner of the tables: manage.py grant_runtime_role ROLE"
        yield Finding("role", "error", "The role may not read every table.", hint)
    else:
        yield Finding("role", "ok", "The role owns nothing, and may read every table.")


def _worker() -> Iterator[Finding]:
    alive = Worker.objects.alive().count()
    if alive:
        yield Finding("worker", "ok", f"{alive} alive.")
    else:
        yield Finding("worker", "error", "None is alive, so evaluations and webhooks wait.", "Run: manage.py worker")


def _storage() -> Iterator[Finding]:
    """Write a small file, read it and delete it."""
    name = default_storage.save(f"doctor/{uuid.uuid4().hex}", ContentFile(b"doctor"))
    try:
        with default_storage.open(name) as file:
            is_same = file.read() == b"doctor"
    finally:
        default_storage.delete(name)
    if not is_same:
        yield Finding("storage", "error", "A file is not read as it was written.", "Check STORAGE_URL.")
    elif isinstance(default_storage, FileSystemStorage) and Path(default_storage.location).stat().st_mode & OTHERS:
        message = f"Others than the owner may enter {default_storage.location}."
        yield Finding("storage", "warning", message, f"Run: chmod go= {default_storage.location}")
    else:
        yield Finding("storage", "ok", "Files can be written, read and deleted.")


def _cache() -> Iterator[Finding]:
    name = f"doctor-{uuid.uuid4().hex}"
    cache.set(name, 1, timeout=10)
    is_same = cache.get(name) == 1
    cache.delete(name)
    if not is_same:
        yield Finding("cache", "error", "A value is not read as it was written.", "Check CACHE_URL.")
    elif str(settings.CACHES["default"]["BACKEND"]).endswith("LocMemCache"):
        yield Finding("cache", "ok", "Each process counts requests by itself.", "CACHE_URL lets them count together.")
    else:
        yield Finding("cache", "ok", "Values can be written and read.")
