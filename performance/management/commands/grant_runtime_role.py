"""`manage.py grant_runtime_role ROLE`: grant the service's database role the rights that it needs."""

import argparse

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

# Only migrations write to these.
READ_ONLY = ["auth_permission", "django_content_type", "django_migrations"]
# The purge may delete rows from these, if the table's trigger allows it.
PURGED = ["models_registry_auditentry"]

TABLES = """
SELECT relname, EXISTS (SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname LIKE '%append_only')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1
"""
ROLE = "SELECT rolsuper, pg_has_role(rolname, current_user, 'MEMBER') FROM pg_roles WHERE rolname = %s"


class Command(BaseCommand):
    """Grants a role the rights that the service needs to run, and revokes all others. Run it after each `migrate`.

    The role owns nothing: it can neither change a table or trigger, nor truncate a table.
    """

    help = (
        "Let a PostgreSQL role run the service: it may read and write rows, but change no table, trigger or index. "
        "Run it as the owner of the tables, after each `migrate`."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("role", metavar="ROLE", help="an existing role that can log in and owns nothing")

    @transaction.atomic
    def handle(self, *, role: str, **options: object) -> None:
        """Grant the rights on the present tables, and on those that later migrations create."""
        if connection.vendor != "postgresql":
            raise CommandError("Only PostgreSQL has roles; DATABASE_URL names another database.")
        with connection.cursor() as cursor:
            _check_schema(cursor)
            _check_role(cursor, role)
            cursor.execute(TABLES)
            tables = cursor.fetchall()
            for statement in _statements(connection.ops.quote_name(role), tables):
                cursor.execute(statement)
        self.stdout.write(f"The role {role} may use {len(tables)} tables.")


def _check_schema(cursor: CursorWrapper) -> None:
    """Raise `CommandError` unless the tables are in the schema `public`, where the rights are granted."""
    cursor.execute("SELECT current_schema()")
    (schema,) = cursor.fetchone()
    if schema != "public":
        raise CommandError(f"The tables are in the schema {schema}; they must be in public. Set search_path.")


def _check_role(cursor: CursorWrapper, role: str) -> None:
    """Raise `CommandError` if the rights of the role could not be limited."""
    cursor.execute(ROLE, [role])
    found = cursor.fetchone()
    if found is None:
        raise CommandError(f"There is no role {role!r}. Create it first: CREATE ROLE … LOGIN PASSWORD '…'")
    if any(found):
        raise CommandError(
            f"The role {role!r} is a superuser, or the tables' owner or a member of it. Name another role."
        )


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
        # A later table may be append-only. The next run grants the right to change rows if it is not.
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
