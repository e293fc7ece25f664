#!/usr/bin/env python
"""Run a management command of the portal, on embedded services unless the environment names others."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecosystem.settings")
    from ecosystem.local.command import prepare
    from ecosystem.local.postgres import StartFailed

    try:
        stack = prepare(sys.argv[1:])
    except (OSError, StartFailed) as error:
        sys.exit(f"The embedded services did not start: {error}")

    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    finally:
        if stack is not None:
            from django.db import connections

            connections.close_all()
            stack.leave(wait_seconds=10)


if __name__ == "__main__":
    main()
