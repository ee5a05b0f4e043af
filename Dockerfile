# A tag that gets security updates with each build. To build from one state of it, pass its digest:
# --build-arg PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder

RUN python -m venv --without-pip /venv
COPY requirements.txt /tmp/
RUN pip --python /venv/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r /tmp/requirements.txt


FROM ${PYTHON_IMAGE}

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=4 \
    MALLOC_ARENA_MAX=1 \
    TMPDIR=/app/var/tmp

# var is where predictions are, and SQLite's file, when the database is SQLite; what is temporary may be larger than
# memory.
RUN useradd --system --uid 10001 --user-group --no-create-home registry \
    && install --directory --owner=registry --group=registry --mode=0700 /app/var /app/var/storage /app/var/tmp
WORKDIR /app
COPY --from=builder /venv /venv
COPY . .
# Otherwise each process compiles the code when it starts, and so does each evaluation.
RUN python -m compileall -q config models_registry performance
RUN DEBUG=true python manage.py collectstatic --no-input --verbosity 0

USER 10001:10001
EXPOSE 8000

HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --start-interval=1s \
    CMD ["python", "-c", "from urllib.request import Request, urlopen; urlopen(Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=4)"]

# Granian reads the numbers of workers and threads from the environment.
CMD ["python", "-m", "config.serve", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "10", "config.wsgi:application"]
