"""The command `mpr`."""

import sys


def main() -> None:
    """Run the command line. It needs the extra `cli`."""
    try:
        from performance_registry.commands import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("mpr needs more packages: pip install 'model-performance-registry-client[cli]'")
    app(prog_name="mpr")


if __name__ == "__main__":
    main()
