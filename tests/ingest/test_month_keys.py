"""Which months of facts are keyed by subject: all but the newest, in whatever order they come."""

from __future__ import annotations

from datetime import date
from importlib import import_module

import pytest
from django.db import connection

from providers.partitions import attach_month, new_month, newest_months, rows_within
from tests import factories
from tests.flow.rolling import fact

pytestmark = pytest.mark.django_db

TABLE = "fact_sales_merchant"


def keys() -> dict[str, set[str]]:
    """Return the names of each month's keys beside the ones it has with all others."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT month.relname, key.relname FROM pg_inherits JOIN pg_class month ON month.oid = inhrelid"
            " JOIN pg_index ON indrelid = month.oid JOIN pg_class key ON key.oid = indexrelid"
            " WHERE inhparent = %s::regclass",
            [TABLE],
        )
        found: dict[str, set[str]] = {}
        for month, key in cursor.fetchall():
            found.setdefault(month.removeprefix(f"{TABLE}_"), set()).add(key.removeprefix(month))
    return found


def keyed() -> list[str]:
    """Return the months that have both keys by subject, when the others have none."""
    found = keys()
    by_subject = [month for month, names in found.items() if "_by_subject" in names]
    assert by_subject == [month for month, names in found.items() if "_in_rooms" in names]
    return sorted(by_subject)


def begin(month: date) -> None:
    """Make a month."""
    attach_month(TABLE, new_month(TABLE, month), month)


def test_a_month_is_keyed_by_subject_when_the_next_begins() -> None:
    assert newest_months() == {}
    begin(date(2022, 6, 1))
    assert keyed() == []
    begin(date(2022, 4, 1))  # late
    assert keyed() == ["2022_04"]
    begin(date(2022, 7, 1))
    assert keyed() == ["2022_04", "2022_06"]
    assert newest_months() == {TABLE: date(2022, 7, 1)}


def test_rows_within_are_those_of_the_days_whether_keyed_or_not() -> None:
    batch = factories.batch()
    days = [date(2022, 5, 31), date(2022, 6, 1), date(2022, 6, 30), date(2022, 7, 1), date(2022, 7, 2)]
    for day in days:
        fact("sales", "merchant", day, 7, batch=batch, gmv_settled=1)

    def within(first: date, last: date) -> list[date]:
        facts = rows_within(TABLE, first, last, newest_months())
        with connection.cursor() as cursor:
            cursor.execute(b"SELECT day FROM " + facts.as_bytes(connection.connection) + b" AS found ORDER BY day")
            return [day for (day,) in cursor.fetchall()]

    assert within(date(2022, 5, 1), date(2022, 8, 1)) == days
    assert within(date(2022, 6, 1), date(2022, 7, 2)) == days[1:4]
    assert within(date(2022, 7, 1), date(2022, 7, 2)) == days[3:4]
    assert within(date(2022, 5, 1), date(2022, 6, 30)) == days[:2]


def test_the_migration_moves_the_keys_there_and_back() -> None:
    begin(date(2022, 6, 1))
    begin(date(2022, 7, 1))
    as_made = keys()
    migration = import_module("providers.migrations.0011_newest_month_by_day")
    with connection.schema_editor() as editor:
        migration.together(None, editor)
    assert all(len(names) == len(as_made["2022_06"]) for names in keys().values())
    with connection.schema_editor() as editor:
        migration.by_month(None, editor)
    assert keys() == as_made
