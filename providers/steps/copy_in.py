"""Write new rows of one model with COPY: some times faster than INSERT, under the same constraints."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, models
from psycopg import sql
from psycopg.types.json import Jsonb


def copy_in(rows: Sequence[models.Model]) -> None:
    """Write unsaved rows, all of one model; they keep no id."""
    if not rows:
        return
    meta = rows[0]._meta
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    documents = {field.attname for field in fields if isinstance(field, models.JSONField)}
    statement = sql.SQL("COPY {table} ({columns}) FROM STDIN").format(
        table=sql.Identifier(meta.db_table),
        columns=sql.SQL(", ").join(sql.Identifier(str(field.column)) for field in fields),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            values = ((field.attname, getattr(row, field.attname)) for field in fields)
            copy.write_row([Jsonb(value) if name in documents else value for name, value in values])
