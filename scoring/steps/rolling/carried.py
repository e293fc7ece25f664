"""Facts ⋈ the bindings in force that day, summed per provider and day: all feeds, by all ways, in one statement.

Each span of a binding carries the sets of roles it stands in as bits, so that every feed reads the same two relations
of spans. Facts are looked up by the fact tables' keys: a step costs what its providers carry, whatever else the tables
hold. The planner, which estimates a join on ranges wrongly, is not left to choose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from django.db import connection
from psycopg import sql

from providers.measures import Subject
from providers.models.facts import key_columns
from scoring.steps.benchmarks import rates
from scoring.steps.rolling.arrays import Ints, day_of, fetch_all, literal
from scoring.steps.rolling.coverage import Cover, Part
from scoring.steps.rolling.days import EVERY, IN_ROOMS, Days
from scoring.steps.rolling.expected import EXPECTATIONS, Expectation

_SPANS = (
    "{name} (provider_id, subject_id, lo, hi, flags) AS MATERIALIZED (SELECT * FROM unnest("
    "%({name}_provider)s::bigint[], %({name}_subject)s::bigint[], %({name}_lo)s::int[],"
    " %({name}_hi)s::int[], %({name}_flags)s::int[]))"
)
_CARRIED = (
    "SELECT carried.provider_id, (fact.day - DATE '2000-01-01')::bigint, {sums} FROM {spans} AS carried"
    " JOIN {facts} AS fact ON fact.{key} = carried.subject_id"
    " AND fact.day >= DATE '2000-01-01' + carried.lo AND fact.day < DATE '2000-01-01' + carried.hi"
    " {rates} WHERE carried.flags & {mask} <> 0 {unless} GROUP BY 1, 2"
)
_IDS = "ARRAY(SELECT subject_id FROM {spans} WHERE flags & {mask} <> 0)"
_UNLESS_BY_MERCHANT = (
    "AND NOT EXISTS (SELECT FROM merchants AS other WHERE other.flags & {mask} <> 0"
    " AND other.provider_id = carried.provider_id AND other.subject_id = fact.merchant_id"
    " AND fact.day >= DATE '2000-01-01' + other.lo AND fact.day < DATE '2000-01-01' + other.hi)"
)
_OWN = "SELECT provider_id, (day - DATE '2000-01-01')::bigint, {sums} FROM {facts} AS fact GROUP BY 1, 2"
_RATES = (
    "JOIN {subjects} AS about ON about.id = fact.{key} LEFT JOIN rate"
    " ON rate.category = about.category AND rate.month = date_trunc('month', fact.day::timestamp)::date"
)
# A row's rate as an exact fraction, and as whole numbers that serve up to the exposure of their limit.
_RATE = {"numerator": "numeric", "denominator": "numeric", "times": "bigint", "over": "bigint", "limit": "bigint"}


@dataclass(frozen=True, slots=True)
class Group:
    """Measures of one table of facts that reach providers by the same roles, and what is expected of its rows."""

    feed: str
    subject: Subject
    roles: tuple[str, ...]
    codes: tuple[str, ...]
    expectations: tuple[Expectation, ...] = ()

    @property
    def by_room(self) -> bool:
        """Tell whether its rows are a merchant's that also name the selling room."""
        return self.subject == "merchant" and "streamer_id" in key_columns(self.feed, self.subject)

    def sums(self) -> list[sql.Composable]:
        """Return what is summed of rows named fact, joined with their rates."""
        return [*map(_sum, self.codes), *map(_expected, self.expectations)]

    def rates(self) -> sql.Composable:
        """Return the join with each row's benchmarks."""
        names = {"subjects": sql.Identifier(f"providers_{self.subject}"), "key": sql.Identifier(f"{self.subject}_id")}
        return sql.SQL(_RATES).format(**names) if self.expectations else EVERY


@dataclass(frozen=True, slots=True)
class _Spans:
    """A relation of spans; the sets of roles, and the parts of a sum, that a span may stand in have a bit each."""

    name: str
    bits: dict[object, int]
    spans: Cover
    flags: Ints

    @classmethod
    def of(cls, name: str, covers: Mapping[object, Cover]) -> _Spans:
        spans, flags = Cover.flagged(list(covers.values())) if covers else (Cover.nothing(), np.zeros(0, np.int64))
        return cls(name, {key: 1 << place for place, key in enumerate(covers)}, spans, flags)

    @property
    def relation(self) -> sql.Composable:
        return sql.SQL(_SPANS.format(name=self.name))

    def parameters(self) -> dict[str, Any]:
        return {**self.spans.parameters(f"{self.name}_"), f"{self.name}_flags": self.flags.tolist()}

    def of_some(self, value: sql.Composable, bit: int, mask: int) -> sql.Composable:
        """Sum only rows of spans that have the bit; where all of the mask's do, nothing need be asked."""
        if bool(np.all(self.flags[self.flags & mask != 0] & bit)):
            return value
        return sql.SQL("coalesce({} FILTER (WHERE carried.flags & {} <> 0), 0)").format(value, sql.Literal(bit))


def summed(days: Days, groups: Sequence[Group], parts: Mapping[Group, Sequence[Part]]) -> list[tuple[Group, Ints]]:
    """Return (provider, day, sums…) rows of each group, once for each way by which its facts reach providers.

    Sums of a group's parts come last in the rows of its own way.
    """
    merchants, rooms = _spans(days, groups, parts)
    asked: list[tuple[Group, sql.Composable, int]] = []
    for group in groups:
        width = 2 + len(group.codes) + len(group.expectations)
        if group.subject == "provider":
            facts = days.facts(group.feed, group.subject, literal(days.providers))
            query = sql.SQL(_OWN).format(sums=sql.SQL(", ").join(group.sums()), facts=facts)
            asked.append((group, query, width))
            continue
        own, more = merchants if group.subject == "merchant" else rooms, parts.get(group, ())
        if len(own.spans.provider):
            asked.append((group, _carried(days, group, own, more, EVERY), width + len(more)))
        if group.by_room and len(rooms.spans.provider):
            unless = sql.SQL(_UNLESS_BY_MERCHANT).format(mask=sql.Literal(merchants.bits[group.roles]))
            asked.append((group, _carried(days, group, rooms, (), unless), width))
    if not asked:
        return []
    rate, parameters = given_rates(days, groups)
    given = sql.SQL("WITH {}").format(sql.SQL(", ").join([merchants.relation, rooms.relation, *rate]))
    parameters |= merchants.parameters() | rooms.parameters()
    # Expecting a ninth of the rows, the planner would sort them all, wide as they are, and group them afterwards.
    _sorting(allowed=False)
    found = fetch_all([(query, width) for _, query, width in asked], parameters, given=given)
    _sorting(allowed=True)
    return [(group, rows) for (group, _, _), rows in zip(asked, found, strict=True)]


def _spans(days: Days, groups: Sequence[Group], parts: Mapping[Group, Sequence[Part]]) -> tuple[_Spans, _Spans]:
    def within(cover: Cover) -> Cover:
        return cover.within(days.lo, days.hi)

    merchants: dict[object, Cover] = {
        group.roles: within(days.carriers.merchants(group.roles)) for group in groups if group.subject == "merchant"
    }
    merchants |= {part.code: part.cover for more in parts.values() for part in more}
    rooms: dict[object, Cover] = {
        group.roles: within(days.carriers.rooms(group.roles))
        for group in groups
        if group.subject == "streamer" or group.by_room
    }
    return _Spans.of("merchants", merchants), _Spans.of("rooms", rooms)


def _carried(days: Days, group: Group, spans: _Spans, parts: Sequence[Part], unless: sql.Composable) -> sql.Composable:
    """Sum a group's facts that reach providers by some spans; the rows of ``parts`` are read in the same pass."""
    path: Subject = "merchant" if spans.name == "merchants" else "streamer"
    own, bits = spans.bits[group.roles], [spans.bits[part.code] for part in parts]
    mask = own | sum(bits)
    sums = [spans.of_some(value, own, mask) for value in group.sums()]
    sums += [spans.of_some(total(sql.SQL(part.value)), bit, mask) for part, bit in zip(parts, bits, strict=True)]
    names = {"spans": sql.Identifier(spans.name), "mask": sql.Literal(mask)}
    ids, only = sql.SQL(_IDS).format(**names), EVERY if path == group.subject else IN_ROOMS
    return sql.SQL(_CARRIED).format(
        sums=sql.SQL(", ").join(sums),
        facts=days.facts(group.feed, group.subject, ids, by=path, only=only),
        key=sql.Identifier(f"{path}_id"),
        rates=group.rates(),
        unless=unless,
        **names,
    )


def given_rates(days: Days, groups: Sequence[Group]) -> tuple[list[sql.Composable], dict[str, Any]]:
    """Return the benchmarks as a relation named rate, with its parameters; none where nothing is expected."""
    if not any(group.expectations for group in groups):
        return [], {}
    found = rates(EXPECTATIONS, day_of(days.lo), day_of(days.hi))
    arrays, columns = [], []
    for number in range(found.width):
        for name, kind in _RATE.items():
            arrays.append(sql.SQL("{}::{}[]").format(sql.Placeholder(f"r_{name}_{number}"), sql.SQL(kind)))
            columns.append(sql.Identifier(f"{name}_{number}"))
    relation = sql.SQL(
        "rate (month, category, {columns}) AS MATERIALIZED"
        " (SELECT * FROM unnest(%(r_month)s::date[], %(r_category)s::text[], {arrays}))"
    ).format(columns=sql.SQL(", ").join(columns), arrays=sql.SQL(", ").join(arrays))
    return [relation], found.parameters()


def _sorting(*, allowed: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = %s", ["on" if allowed else "off"])


def total(value: sql.Composable) -> sql.Composable:
    """Sum whole numbers as whole numbers."""
    return sql.SQL("whole_sum({})").format(value)


@cache  # composed once, as the text it is: a step sums every measure by every way
def _sum(code: str) -> sql.Composable:
    return sql.SQL(total(sql.SQL("fact.{}").format(sql.Identifier(code))).as_string())


@cache
def _expected(each: Expectation) -> sql.Composable:
    """Exposure × benchmark × factor of one row, half-up in whole numbers, then summed.

    Numerics cost some times as much as bigints, so only rows whose product would not fit are left to them.
    """
    number = EXPECTATIONS.index(each)
    exposure = sql.SQL(" + ").join(
        sql.SQL("coalesce(fact.{}, 0)").format(sql.Identifier(code)) for code in each.exposure
    )
    composed = sql.SQL(
        "whole_sum(CASE WHEN {exposure} BETWEEN 0 AND rate.{limit}"
        " THEN (({exposure}) * rate.{times} + rate.{over} / 2) / rate.{over}"
        " ELSE div(2 * ({exposure})::numeric * rate.{numerator} + rate.{denominator}, 2 * rate.{denominator})::bigint"
        " END)"
    ).format(exposure=exposure, **{name: sql.Identifier(f"{name}_{number}") for name in _RATE})
    return sql.SQL(composed.as_string())
