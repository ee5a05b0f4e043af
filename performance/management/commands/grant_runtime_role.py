"""`manage.py grant_runtime_role ROLE`: what the database role that runs the service may do."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

# Written by migrations alone.
READ_ONLY = ["auth_permission", "django_content_type", "django_migrations"]
# Rows that the purge may delete, if the table's trigger allows it.
PURGED = ["models_registry_auditentry"]

TABLES = """
SELECT relname, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname LIKE '%append_only')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
ROLE = "SELECT rolsuper, pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = %s"


class Command(BaseCommand):
    """Grants a role the rights that the service needs to run, and takes back all others. Run it after each `migrate`.

    The role owns nothing: it can neither change a table or trigger, nor empty a table.
    """

    help = (
        "Let a role of PostgreSQL run the service: read and write rows, but change no table, trigger or index. "
        "Run it as the owner of the tables, after each `migrate`."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("role", metavar="ROLE", help="an existing role, which can log in and owns nothing")

    @transaction.atomic
    def handle(self, *, role: str, **options: Any) -> None:
        """Grant the rights, on the tables and on those that later migrations make."""
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has roles; DATABASE_URL names another database.")
        with connection.cursor() as cursor:
            _check_schema(cursor)
            _check(cursor, role)
            cursor.execute(TABLES)
            tables = cursor.fetchall()
            for statement in _statements(connection.ops.quote_name(role), tables):
                cursor.execute(statement)
        self.stdout.write(f"The role {role} may use {len(tables)} tables.")


def _check_schema(cursor: Any) -> None:
    """Raise `CommandError` if the tables are elsewhere than in the schema in which rights are granted."""
    cursor.execute("SELECT current_schema()")
    (schema,) = cursor.fetchone()
    if schema != "public":
        raise CommandError(f"The tables are in the schema {schema}; the service keeps them in public. Set search_path.")


def _check(cursor: Any, role: str) -> None:
    """Raise `CommandError` if a role cannot be held to its rights."""
    cursor.execute(ROLE, [role])
    found = cursor.fetchone()
    if found is None:
        raise CommandError(f"There is no role {role!r}. Make it first: CREATE ROLE … LOGIN PASSWORD '…'")
    if any(found):
        raise CommandError(f"The role {role!r} is a superuser, or is the owner or a member of it. Name another role.")


def _statements(role: str, tables: list[tuple[str, bool]]) -> list[str]:
    quote = connection.ops.quote_name
    database = quote(str(connection.settings_dict["NAME"]))
    return [
        f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC, {role}",
        f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}",
        f"GRANT CONNECT ON DATABASE {database} TO {role}",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        *(
            f"GRANT {_rights(name, is_append_only)} ON public.{quote(name)} TO {role}"
            for name, is_append_only in tables
        ),
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
        # A later table may be append-only: what may be changed in it, the next run grants.
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role}",
    ]


def _rights(table: str, is_append_only: bool) -> str:
    if table in READ_ONLY:
        return "SELECT"
    if table in PURGED:
        return "SELECT, INSERT, DELETE"
    return "SELECT, INSERT" if is_append_only else "SELECT, INSERT, UPDATE, DELETE"
