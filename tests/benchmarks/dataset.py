"""A PostgreSQL full of snapshots, and callers who may read some of them."""

import os
import secrets
from dataclasses import dataclass
from datetime import timedelta

import django
import psycopg

from tests.database import start_postgresql

ORGANIZATIONS = 1_000
USERS = 10_000
CALLERS = 64
READ_MODELS = 256
VERSIONS_OF_MODEL = 5
SNAPSHOTS_OF_VERSION = 6  # two of each split
SNAPSHOTS_OF_MODEL = VERSIONS_OF_MODEL * SNAPSHOTS_OF_VERSION
TOKEN_LIFETIME = timedelta(hours=12)

MODEL_ID = "'mdl-' || lpad(to_hex(({number}) * 2654435761 %% 1099511627776), 10, '0')"
METRICS = ("accuracy", "precision", "recall", "f1_score", "roc_auc", "log_loss")

# The first models, which are the ones read, are the first organization's, and all have a promoted version.
FILL = f"""
SET session_replication_role = replica;  -- the rows fit each other: no look at the foreign key of each

INSERT INTO models_registry_user
    (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined,
    is_service_account)
SELECT i, '!' || md5(random()::text), false, 'user' || i, '', '', '', false, true, now(), false
FROM generate_series(1, {USERS}) i;

INSERT INTO models_registry_organization (slug, name, created_at)
SELECT 'organization-' || i, 'Organization ' || i, now() FROM generate_series(1, {ORGANIZATIONS}) i;

INSERT INTO models_registry_membership (organization_id, user_id, role)
SELECT (i + k * 7) %% {ORGANIZATIONS} + 1, i, 'editor'
FROM generate_series({CALLERS} + 1, {USERS}) i, generate_series(1, 2) k
UNION ALL SELECT 1, i, 'viewer' FROM generate_series(1, {CALLERS}) i;

INSERT INTO models_registry_tokenfamily (id, user_id, current_jti, created_at, expires_at)
SELECT gen_random_uuid(), i, md5(random()::text), now(), now() + interval '1 day'
FROM generate_series(1, {USERS}) i, generate_series(1, 2);

INSERT INTO models_registry_registeredmodel (model_id, organization_id, name, task_type, description, tags, created_at,
    promoted_version_id)
SELECT {MODEL_ID.format(number="i")}, CASE WHEN i <= {READ_MODELS} THEN 1 ELSE i %% {ORGANIZATIONS} + 1 END,
    'model ' || i, 'classification', '', '[]', now(),
    CASE WHEN i <= {READ_MODELS} OR i %% 3 > 0 THEN i * {VERSIONS_OF_MODEL} - 1 END
FROM generate_series(1, %(models)s) i;

INSERT INTO models_registry_modelgrant (model_id, user_id, scope)
SELECT {MODEL_ID.format(number="i")}, i * 31 %% {USERS} + 1, 'model:read' FROM generate_series(1, %(models)s) i;

INSERT INTO models_registry_version (id, model_id, number, state, description, source_uri, parameters, tags, created_at,
    completed_at)
SELECT i, {MODEL_ID.format(number=f"(i - 1) / {VERSIONS_OF_MODEL} + 1")}, (i - 1) %% {VERSIONS_OF_MODEL} + 1,
    'completed', '', '', '{{}}', '[]', now(), now()
FROM generate_series(1, %(models)s * {VERSIONS_OF_MODEL}) i;

INSERT INTO performance_metricsnapshot (version_id, dataset_split, metrics, sample_count, source, created_by,
    evaluated_at, created_at)
SELECT (i - 1) / {SNAPSHOTS_OF_VERSION} + 1, (ARRAY['test', 'validation', 'train'])[i %% 3 + 1],
    jsonb_build_object({", ".join(f"'{name}', round(random()::numeric, 4)" for name in METRICS)}), 5000, 'imported', '',
    timestamptz '2026-03-13T14:22:10Z' + i %% {SNAPSHOTS_OF_VERSION} * interval '1 hour', now()
FROM generate_series(1, %(snapshots)s) i
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A filled database: its URL, the models that are read, and tokens of callers who may and of one who may not."""

    url: str
    models: list[str]
    tokens: list[str]
    outsider: str


def make_dataset(snapshots: int) -> Dataset:
    """Start a PostgreSQL with this number of snapshots; it ends with this process.

    Sets the service's environment, for this process and those that it starts, with keys made for this run.
    """
    url = start_postgresql()
    os.environ.update(
        DATABASE_URL=url,
        DJANGO_SETTINGS_MODULE="config.settings",
        HTTPS_ONLY="false",
        JWT_SIGNING_KEY=secrets.token_urlsafe(50),
        SECRET_KEY=secrets.token_urlsafe(50),
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _fill(url, snapshots)
    *tokens, outsider = _tokens(CALLERS + 1)
    return Dataset(url, _read_models(url), tokens, outsider)


def _fill(url: str, snapshots: int) -> None:
    models = -(-snapshots // SNAPSHOTS_OF_MODEL)
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in FILL.split(";\n"):
            connection.execute(statement, {"models": models, "snapshots": snapshots})
        connection.execute("VACUUM ANALYZE")


def _read_models(url: str) -> list[str]:
    """Return the first organization's models whose promoted version has a snapshot of the test split."""
    query = """
        SELECT model_id FROM models_registry_registeredmodel model
        WHERE organization_id = 1 AND promoted_version_id IN (
            SELECT version_id FROM performance_metricsnapshot WHERE dataset_split = 'test'
        ) ORDER BY promoted_version_id LIMIT %s
    """
    with psycopg.connect(url) as connection:
        return [model_id for (model_id,) in connection.execute(query, [READ_MODELS])]


def _tokens(users: int) -> list[str]:
    """Return an access token of each of the first users, which outlives the longest run."""
    from models_registry.accounts.models import User
    from models_registry.accounts.scopes import ALL_SCOPES
    from models_registry.tokens.services import open_token_family

    callers = User.objects.filter(pk__lte=users).order_by("pk")
    accesses = [open_token_family(user=user, scope=ALL_SCOPES).access_token for user in callers]
    for access in accesses:
        access.set_exp(lifetime=TOKEN_LIFETIME)
    return [str(access) for access in accesses]
