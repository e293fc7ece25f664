"""A second process for the demo: it builds the world, then takes what need not wait for the first.

Nothing of Django is imported here: the world is built before that, while the first process makes the tables.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import active_children, get_context, parent_process
from typing import TYPE_CHECKING

import django

from scoring.demo.sizes import SIZES
from scoring.demo.world import World, build

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor


@contextmanager
def second_process() -> Iterator[Executor]:
    """Yield an executor of one process, which ends with us however we end."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_the_first) as beside:
        try:
            yield beside
        except BaseException:
            for child in active_children():
                child.kill()
            raise


def _end_with_the_first() -> None:
    threading.Thread(target=_wait_for_the_first, daemon=True).start()


def _wait_for_the_first() -> None:
    first = parent_process()
    if first is not None:
        first.join()
        os._exit(1)


@cache
def world_of(size: str) -> World:
    """Build the world of a size, once in a process."""
    return build(SIZES[size])


def use_database(name: str) -> None:
    """Load Django, and work in the same database as the first process."""
    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = name
