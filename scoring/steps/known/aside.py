"""Relations laid aside for one provider and two scores, inside a transaction that is always rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from psycopg import sql

# The merchants and rooms ever bound to a provider, their merchants' rooms and sister rooms, as known at any time since.
_SUBJECTS = """
WITH own AS (SELECT DISTINCT merchant_id AS id FROM providers_binding WHERE provider_id = %(provider)s),
room AS NOT MATERIALIZED (SELECT id, person, merchant_id FROM providers_streamer
    UNION ALL SELECT row_id, known ->> 'person', (known ->> 'merchant_id')::bigint FROM providers_registerversion
    WHERE register = 'providers_streamer' AND recorded_to > %(cut_off)s),
rooms AS (SELECT DISTINCT id, merchant_id FROM room WHERE merchant_id IN (SELECT id FROM own) OR person IN (
    SELECT room.person FROM providers_binding binding JOIN room ON room.id = binding.streamer_id
    WHERE binding.provider_id = %(provider)s))
SELECT current_schema(), ARRAY(SELECT id FROM own WHERE id IS NOT NULL
    UNION SELECT merchant_id FROM rooms WHERE merchant_id IS NOT NULL ORDER BY 1),
    ARRAY(SELECT DISTINCT id FROM rooms ORDER BY 1)
"""
_DIFFER = (
    "SELECT EXISTS ((SELECT {what} FROM {one} EXCEPT SELECT {what} FROM {other})"
    " UNION ALL (SELECT {what} FROM {other} EXCEPT SELECT {what} FROM {one}))"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """What a score stands on: its as-of day and its knowledge cut-off."""

    as_of: date
    cut_off: datetime


@contextmanager
def aside() -> Iterator[None]:
    """Work in a transaction that leaves nothing behind."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL jit TO off")
        try:
            yield
        finally:
            transaction.set_rollback(True)


@dataclass(frozen=True, slots=True)
class Relations:
    """Makes temporary relations about one provider: ``…_now`` as the later score knew it, ``…_then`` the earlier.

    schema: where the real tables are; merchants, rooms: whose rows may reach the provider.
    """

    provider_id: int
    before: Moment
    after: Moment
    schema: str
    merchants: tuple[int, ...]
    rooms: tuple[int, ...]

    @classmethod
    def about(cls, provider_id: int, before: Moment, after: Moment) -> Relations:
        """Find what may reach a provider."""
        with connection.cursor() as cursor:
            cursor.execute(_SUBJECTS, {"provider": provider_id, "cut_off": before.cut_off})
            schema, merchants, rooms = cursor.fetchone()
        return cls(provider_id, before, after, schema, tuple(merchants), tuple(rooms))

    def keep(self, name: str, query: str | sql.Composable, moment: Moment, **parameters: Any) -> None:
        """Keep what a query finds as of a moment."""
        composed = sql.SQL(query).format(schema=sql.Identifier(self.schema)) if isinstance(query, str) else query
        with connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS {}").format(sql.Identifier(name), composed),
                self.parameters(moment) | parameters,
            )

    def parameters(self, moment: Moment) -> dict[str, Any]:
        """Return what queries may ask for."""
        return {
            "provider": self.provider_id,
            "merchants": list(self.merchants),
            "rooms": list(self.rooms),
            "until": moment.as_of,
            "cut_off": moment.cut_off,
        }

    def made(self, statement: str, **parts: str | sql.Composable) -> sql.Composable:
        """Fill in names, and the two scores' days and cut-offs."""
        names = {name: sql.Identifier(part) if isinstance(part, str) else part for name, part in parts.items()}
        return sql.SQL(statement).format(
            schema=sql.Identifier(self.schema),
            first=sql.Literal(self.before.as_of),
            until=sql.Literal(self.after.as_of),
            before=sql.Literal(self.before.cut_off),
            after=sql.Literal(self.after.cut_off),
            **names,
        )

    def run(self, *statements: sql.Composable) -> None:
        """Run statements as one."""
        if not statements:
            return
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("; ").join(statements))

    def differ(self, one: str, other: str, what: str = "*") -> bool:
        """Tell whether two relations hold different rows."""
        return self.true(self.made(_DIFFER, one=one, other=other, what=sql.SQL(what)))

    def true(self, query: str | sql.Composable, **parameters: Any) -> bool:
        """Answer a question."""
        with connection.cursor() as cursor:
            cursor.execute(query, parameters)
            return bool(cursor.fetchone()[0])
