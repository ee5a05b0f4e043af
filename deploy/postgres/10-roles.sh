#!/bin/sh
# Makes the role that runs the service; `manage.py grant_runtime_role` gives it its rights. PostgreSQL's image runs this
# when it makes the database. For a database that is older, or a new password:
#
#     docker compose exec database sh /docker-entrypoint-initdb.d/10-roles.sh
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$RUNTIME_PASSWORD" <<'SQL'
SELECT 'CREATE ROLE registry_runtime'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'registry_runtime') \gexec
ALTER ROLE registry_runtime LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
SQL
