"""How fast the admin's list and search of the audit trail are among millions of entries.

Prints the time that each page spends in the database, and the plan of its slowest statement; exits with 1 if one takes
longer than `--limit`.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import django
from rich.console import Console

from tests.database import start_postgresql

LIST = "/admin/models_registry/auditentry/"
BEFORE_THE_INDEXES = "0007"

# Of each hundred entries 45 are denials, and one a deletion. The user `busy` wrote a fifth, `former` the oldest tenth;
# the others are spread over a thousand users, and the records over fifty thousand.
FILL = """
INSERT INTO models_registry_auditentry (timestamp, action, actor_id, actor_name, content_type_id, object_pk,
    object_repr, remote_addr, method, path, code, cid, changes)
SELECT now() - interval '700 days' * (({entries} - i)::float / {entries}), action, actor,
    CASE actor WHEN 1 THEN 'busy' WHEN 2 THEN 'former' ELSE 'user' || actor END,
    CASE WHEN action < 4 THEN (SELECT min(id) FROM django_content_type) + i % 12 END,
    CASE WHEN action < 4 THEN 'mdl-' || lpad(to_hex(record), 10, '0') ELSE '' END,
    CASE WHEN action < 4 THEN 'model ' || record ELSE '' END, '10.0.0.1', 'POST',
    '/api/v1/models/mdl-' || lpad(to_hex(record), 10, '0') || '/versions',
    CASE WHEN action < 4 THEN '' WHEN i % 1000 = 7 THEN 'locked_out' ELSE 'permission_denied' END,
    md5(i::text), CASE WHEN action < 4 THEN '{{"description": ["before", "after"]}}'::jsonb END
FROM (
    SELECT i, i * 7919 % 50000 AS record,
        CASE WHEN i % 100 < 45 THEN 4 WHEN i % 100 < 75 THEN 0 WHEN i % 100 < 99 THEN 1 ELSE 2 END AS action,
        CASE WHEN i <= {entries} / 10 THEN 2 WHEN i * 31 % 5 = 0 THEN 1 ELSE 3 + i * 17 % 1000 END AS actor
    FROM generate_series(1, {entries}::bigint) i
) AS entries
"""
PLAN_WIDTH = 200  # characters of a line, which may list a thousand keys

# What is asked of the list, by what it shows.
PAGES = {
    "list": {},
    "last page": {"p": "100"},
    "denials": {"action__exact": "4"},
    "deletions": {"action__exact": "2"},
    "busy user": {"actor__id__exact": "1"},
    "former user": {"actor__id__exact": "2"},
    "former user's deletions": {"actor__id__exact": "2", "action__exact": "2"},
    "rare code": {"code": "locked_out"},
    "no such code": {"code": "nonsense"},
    "half a year": {"timestamp_from_0": "2020-01-01", "timestamp_from_1": "00:00", "action__exact": "1"},
    "search: busy user": {"q": "busy"},
    "search: former user": {"q": "former"},
    "search: nobody": {"q": "nobody at all"},
    "search: record's name": {"q": "model 4711"},
    "search: record's key": {"q": "mdl-0000001267"},
    "search: path": {"q": "/api/v1/models/mdl-0000001267/versions"},
    "search: beginning of a path": {"q": "/api/v1/models/mdl-0000001267"},
    "search: beginning of all paths": {"q": "/api/v1/"},
    "search: request id": {"q": "c4ca4238a0b923820dcc509a6f75849b"},
    "search: former user's deletions": {"q": "former", "action__exact": "2"},
}


@dataclass
class Statements:
    """The statements of a page, with their seconds."""

    run: list[tuple[float, str, Any]] = field(default_factory=list)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run a statement, and note how long it took."""
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.run.append((time.perf_counter() - start, sql, params))

    @property
    def seconds(self) -> float:
        """What all took together."""
        return sum(seconds for seconds, _, _ in self.run)


def fill(entries: int) -> None:
    """Add this number of entries."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(FILL.format(entries=entries))


def fill_fast(entries: int) -> None:
    """Add this number of entries without the indexes, and then those: row by row they would take an hour."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = 'models_registry_auditentry'::regclass AND NOT indisprimary"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        fill(entries)
        for _, definition in indexes:
            cursor.execute(definition)


def statements_of(client: Any, page: dict[str, str]) -> Statements:
    """Return what a page of the list asks the database. Raises `RuntimeError` when there is no page."""
    from django.db import connection

    statements = Statements()
    with connection.execute_wrapper(statements):
        response = client.get(f"{LIST}?{urlencode(page)}")
    if response.status_code != 200:
        raise RuntimeError(f"{page} gives {response.status_code} {response.get('Location', '')}")
    return statements


def plan(sql: str, params: Any) -> list[str]:
    """Return PostgreSQL's plan of a statement."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {sql}", params)
        return [line[:PLAN_WIDTH] for (line,) in cursor.fetchall()]


def start() -> Any:
    """Start a PostgreSQL that ends with this process, before the trail's indexes; return a client of a superuser."""
    os.environ.update(
        DATABASE_URL=start_postgresql(),
        DJANGO_SETTINGS_MODULE="config.settings",
        HTTPS_ONLY="false",
        ALLOWED_HOSTS="testserver",
        LOG_FORMAT="text",
        JWT_SIGNING_KEY=secrets.token_urlsafe(50),
        SECRET_KEY=secrets.token_urlsafe(50),
    )
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from models_registry.accounts.models import User

    connection.settings_dict["OPTIONS"]["answer_timeout"] = None  # filling the table takes minutes

    call_command("migrate", verbosity=0)
    for name in ("busy", "former", "root"):
        user = User.objects.create_superuser(name, password=secrets.token_urlsafe())
    client = Client()
    client.force_login(user)  # while the user's table has the columns of today
    call_command("migrate", "models_registry", BEFORE_THE_INDEXES, verbosity=0)
    return client


def index(console: Console) -> None:
    """Add the indexes as a release does, and print how long that takes and how large they are."""
    from django.core.management import call_command
    from django.db import connection

    before = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        call_command("migrate", verbosity=0)
        console.print(f"The migrations took {time.perf_counter() - before:,.0f} s.")
        cursor.execute("VACUUM ANALYZE models_registry_auditentry")
        cursor.execute(
            "SELECT indexrelname, pg_size_pretty(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes "
            "WHERE relname = 'models_registry_auditentry' ORDER BY 1"
        )
        for name, size in cursor.fetchall():
            console.print(f"  {name} {size}")
        cursor.execute("SET statement_timeout = 5000")


def main() -> int:
    """Print the times and plans; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=5_000_000)
    parser.add_argument("--limit", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    console = Console(highlight=False)
    client = start()
    fill_fast(options.entries)
    index(console)
    slow = 0
    for name, page in PAGES.items():
        rounds = [statements_of(client, page) for _ in range(options.rounds)]
        first, best = rounds[0], min(rounds, key=lambda each: each.seconds)
        console.print(f"[bold]{name}[/bold]: {best.seconds * 1000:,.1f} ms, at first {first.seconds * 1000:,.1f} ms")
        _, sql, params = max(best.run, key=lambda each: each[0])
        console.print("\n".join(plan(sql, params)), markup=False, soft_wrap=True)
        slow += best.seconds > options.limit
    console.print(f"Pages slower than {options.limit} s, of {options.entries:,} entries: {slow}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
