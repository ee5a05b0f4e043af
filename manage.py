#!/usr/bin/env python
"""The command line of the Model Performance Registry."""

import gc
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run a management command; a wrong setting ends it with 2, and one line that says what to set."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    gc.set_threshold(50_000)  # collecting what imports leave takes a tenth of the start
    if sys.argv[1:2] == ["demo"]:
        from config.demo import use_own_keys

        use_own_keys()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if sys.argv[1:2] == ["doctor"]:
            from performance.management.findings import Finding, as_json, as_text

            print((as_json if "--json" in sys.argv else as_text)([Finding("settings", "error", str(error))]))
            sys.exit(1)
        print(f"Wrong settings: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
