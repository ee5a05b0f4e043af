"""The command `mpr`."""

import sys
import traceback


def main() -> None:
    """Run the command line. It needs the extra `cli`."""
    try:
        from performance_registry.commands import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit("mpr needs more packages: pip install 'model-performance-registry-client[cli]'")
    try:
        app(prog_name="mpr")
    except Exception:
        traceback.print_exc()
        sys.exit(2)  # Python's own 1 would say that the registry has refused


if __name__ == "__main__":
    main()
