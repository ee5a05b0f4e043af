"""The command of the production server: `python -m config.serve`, with granian's options."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from granian import cli

from config.env.readers import read, read_env_file
from config.server import Server

MEMORY = "/dev/shm"  # noqa: S108  # a disk that is full would end the processes that write to the files


@contextmanager
def shared_counts() -> Iterator[None]:
    """Give the server's processes a folder where they add up the counts of `/metrics`, if it is open."""
    if not read("METRICS_TOKEN") or "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        yield
        return
    parent = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None
    with TemporaryDirectory(prefix="model-performance-registry-metrics-", dir=parent) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


if __name__ == "__main__":
    read_env_file()
    cli.Server = Server  # type: ignore[attr-defined]
    with shared_counts():
        cli.entrypoint()  # type: ignore[no-untyped-call]
