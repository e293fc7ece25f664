"""What the tests of constraints share: a case per constraint or trigger, kept under the name it breaks."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from psycopg import sql

type Case = Callable[[], object]


class Cases(dict[str, Case]):
    """Constraint or trigger → the statement that breaks exactly it."""

    def breaks(self, name: str) -> Callable[[Case], Case]:
        """Register a case under the name of what it breaks."""

        def keep(case: Case) -> Case:
            assert name not in self, f"{name} has two cases"
            self[name] = case
            return case

        return keep


def without(table: str, constraint: str) -> None:
    """Drop a constraint that refuses the same row, until the case is rolled back: each must refuse it alone."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(constraint))
        )


def assert_breaks(name: str, case: Case) -> None:
    """Run the case and see that the database refused it for this constraint or trigger alone."""
    with pytest.raises(DatabaseError) as refused:
        _carry_out(case)
    cause = refused.value.__cause__
    assert isinstance(cause, psycopg.Error)
    assert cause.sqlstate is not None
    assert cause.sqlstate.startswith("23")
    if cause.diag.constraint_name:
        assert cause.diag.constraint_name == name
    else:
        assert f"function {trigger_function(name)}(" in (cause.diag.context or "")


@transaction.atomic
def _carry_out(case: Case) -> None:
    case()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def trigger_function(trigger: str) -> str:
    """Return the name of the function a trigger of ours runs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE tgname = %s AND NOT tgisinternal",
            [trigger],
        )
        row = cursor.fetchone()
    assert row is not None, f"there is no constraint and no trigger {trigger}"
    return str(row[0])
