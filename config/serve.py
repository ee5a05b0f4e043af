"""The command of the production server: `python -m config.serve`, with granian's options."""

from granian import cli

from config.server import Server

if __name__ == "__main__":
    cli.Server = Server  # type: ignore[attr-defined]
    cli.entrypoint()  # type: ignore[no-untyped-call]
