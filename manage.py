#!/usr/bin/env python
"""The studio's command line."""

import os
import sys


def main() -> None:
    # These three read files and print: they answer before Django has been imported.
    if len(sys.argv) > 1 and sys.argv[1] in {"inspect", "diff", "convert"}:
        from environments.definition.cli import main as definition_main

        sys.exit(definition_main(sys.argv[1:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.core.management import execute_from_command_line

    from environments.request_origin import recording_origin

    with recording_origin("", " ".join(["manage.py", *sys.argv[1:2]])):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
