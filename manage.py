#!/usr/bin/env python
"""Run a management command of the portal, on embedded services unless the environment names others."""

import os
import sys


def main() -> None:
    """Load Django while the services start, then hand it the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecosystem.settings")
    from ecosystem.local.command import prepare
    from ecosystem.local.postgres import StartFailed

    try:
        joining = prepare(sys.argv[1:])
    except OSError as error:
        sys.exit(f"The embedded services did not start: {error}")

    from django.core.management import execute_from_command_line

    if joining is None:
        execute_from_command_line(sys.argv)
        return

    import django

    django.setup()
    try:
        stack = joining.finish()
    except StartFailed as error:
        sys.exit(f"The embedded services did not start: {error}")
    try:
        execute_from_command_line(sys.argv)
    finally:
        from django.db import connections

        connections.close_all()
        stack.leave(wait_seconds=20)


if __name__ == "__main__":
    main()
