"""Delivered measures: facts ⋈ the binding in force that day, summed per provider and day.

Each span of a binding is looked up by the fact tables' keys, so a step costs what its providers carry, whatever else
the tables hold. The planner, which estimates a join on ranges wrongly, is not left to choose: OFFSET 0 keeps the
look-up, whose bounds are constants, apart from the join.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import numpy as np
from django.db import connection
from psycopg import sql

from providers.measures import Measure, Subject, catalogue
from providers.models import FACTS, DeliveredDay
from providers.models.facts import key_columns
from scoring.steps.benchmarks import Rates, rates
from scoring.steps.rolling.arrays import UNKNOWN, Ints, day_of, fetch, number
from scoring.steps.rolling.coverage import Cover, Part
from scoring.steps.rolling.days import IN_ROOMS, Days
from scoring.steps.rolling.expected import EXPECTATIONS, Expectation
from scoring.steps.rolling.settled import FEED, settled_parts
from scoring.steps.rolling.shared import Ways, excess, span_of

_CARRIED = (
    "SELECT carried.provider_id, (fact.day - DATE '2000-01-01')::bigint, {sums}"
    " FROM unnest(%(provider)s::bigint[], %(subject)s::bigint[], %(lo)s::int[], %(hi)s::int[], %(flags)s::int[])"
    " AS carried(provider_id, subject_id, lo, hi, flags) JOIN {facts} AS fact ON fact.{key} = carried.subject_id"
    " AND fact.day >= DATE '2000-01-01' + carried.lo AND fact.day < DATE '2000-01-01' + carried.hi"
    " {rates} {unless} GROUP BY 1, 2"
)
# The single rows of shared subjects, which are few.
_ROWS = (
    "WITH shared AS MATERIALIZED (SELECT span.subject_id, DATE '2000-01-01' + laid.day AS day"
    " FROM unnest(%(subject)s::bigint[], %(lo)s::int[], %(hi)s::int[]) AS span(subject_id, lo, hi),"
    " generate_series(span.lo, span.hi - 1) AS laid(day))"
    " SELECT fact.{key}, {other}, (fact.day - DATE '2000-01-01')::bigint, {sums} FROM shared"
    " JOIN {table} AS fact ON fact.day = shared.day AND fact.{key} = shared.subject_id {rates}"
    " WHERE fact.day >= %(first)s AND fact.day < %(last)s GROUP BY 1, 2, 3"
)
_UNLESS_BY_MERCHANT = (
    "WHERE NOT EXISTS (SELECT FROM unnest(%(m_provider)s::bigint[], %(m_subject)s::bigint[], %(m_lo)s::int[],"
    " %(m_hi)s::int[]) AS other(provider_id, subject_id, lo, hi) WHERE other.provider_id = carried.provider_id"
    " AND other.subject_id = fact.merchant_id AND fact.day >= DATE '2000-01-01' + other.lo"
    " AND fact.day < DATE '2000-01-01' + other.hi)"
)
_OWN = "SELECT fact.provider_id, (fact.day - DATE '2000-01-01')::bigint, {sums} FROM {facts} AS fact GROUP BY 1, 2"
_RATES = (
    "JOIN {subjects} AS about ON about.id = fact.{key} LEFT JOIN unnest(%(r_month)s::date[], %(r_category)s::text[],"
    " {arrays}) AS rate(month, category, {columns})"
    " ON rate.category = about.category AND rate.month = date_trunc('month', fact.day::timestamp)::date"
)

# A row's rate as an exact fraction, and as whole numbers that serve up to the exposure of their limit.
_RATE = {"numerator": "numeric", "denominator": "numeric", "times": "bigint", "over": "bigint", "limit": "bigint"}


def _own(days: Days, feed: str, subject: Subject, sums: Sequence[sql.Composable]) -> Ints:
    """Sum the facts about the providers themselves."""
    query = sql.SQL(_OWN).format(sums=sql.SQL(", ").join(sums), facts=days.facts(feed, subject, days.providers))
    return fetch(query, 2 + len(sums))


def add_flows(days: Days) -> None:
    """Add every delivered flow, and what its rows are expected to yield at benchmark."""
    # Expecting a ninth of the rows, the planner would sort them all, wide as they are, and group them afterwards.
    _sorting(allowed=False)
    for feed, subject in catalogue().fact_feeds():
        groups: dict[tuple[str, ...], list[Measure]] = defaultdict(list)
        for measure in catalogue().delivered(feed, subject):
            if measure.kind == "flow":
                groups[catalogue().roles(measure)].append(measure)
        for roles, measures in groups.items():
            expectations = [
                each
                for each in EXPECTATIONS
                if (each.feed, each.subject) == (feed, subject) and each.numerator in {found.code for found in measures}
            ]
            _add(days, feed, subject, roles, measures, expectations)
    _sorting(allowed=True)


def _sorting(*, allowed: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = %s", ["on" if allowed else "off"])


def _add(
    days: Days,
    feed: str,
    subject: Subject,
    roles: Sequence[str],
    measures: Sequence[Measure],
    expectations: Sequence[Expectation],
) -> None:
    codes = [measure.code for measure in measures] + [each.code for each in expectations]
    found: list[Ints] = []
    sums = [_sum(measure.code) for measure in measures]
    if subject == "provider":
        found.append(_own(days, feed, subject, sums))
    else:
        frozen = rates(expectations, day_of(days.lo), day_of(days.hi)) if expectations else None
        sums += [_expected(number, each) for number, each in enumerate(expectations)]
        cover = days.carriers.of(subject, roles).within(days.lo, days.hi)
        parts = settled_parts(days) if (feed, subject) == FEED else []
        rows = _carried(days, feed, subject, subject, sums, cover, frozen, None, parts)
        for column, part in enumerate(parts, start=2 + len(sums)):
            days.add(part.code, rows[:, 0], rows[:, 1], rows[:, column])
        found.append(rows)
        if "streamer_id" in key_columns(feed, subject) and subject == "merchant":
            by_room = days.carriers.rooms(roles).within(days.lo, days.hi)
            found.append(_carried(days, feed, subject, "streamer", sums, by_room, frozen, cover))
        found.append(_excess(days, feed, subject, roles, sums, frozen))
    for rows in found:
        for column, code in enumerate(codes, start=2):
            days.add(code, rows[:, 0], rows[:, 1], rows[:, column])


def _carried(
    days: Days,
    feed: str,
    subject: Subject,
    path: Subject,
    sums: Sequence[sql.Composable],
    cover: Cover,
    frozen: Rates | None,
    unless: Cover | None,
    parts: Sequence[Part] = (),
) -> Ints:
    """Sum the facts that reach providers by one path; ``unless`` names those another path has brought already.

    The rows of ``parts`` are read in the same pass, and their sums come last.
    """
    spans, flags = Cover.flagged([cover, *(part.cover for part in parts)])
    width = 2 + len(sums) + len(parts)
    if not len(spans.provider):
        return np.zeros((0, width), dtype=np.int64)
    values = [_flagged(value, 0, flags) for value in sums]
    values += [_flagged(_total(sql.SQL(part.value)), number, flags) for number, part in enumerate(parts, start=1)]
    parameters: dict[str, object] = {"flags": flags.tolist(), **spans.parameters()}
    joined = _rates(subject, frozen, parameters)
    if unless is not None:
        parameters |= unless.parameters("m_")
    query = sql.SQL(_CARRIED).format(
        sums=sql.SQL(", ").join(values),
        facts=days.facts(feed, subject, spans.subject, by=path, only="" if path == subject else IN_ROOMS),
        key=sql.Identifier(f"{path}_id"),
        rates=joined,
        unless=sql.SQL("" if unless is None else _UNLESS_BY_MERCHANT),
    )
    return fetch(query, width, parameters)


def _flagged(value: sql.Composable, cover: int, flags: Ints) -> sql.Composable:
    """Sum only the rows of spans that stand in the cover; where all spans do, nothing need be asked."""
    if bool(np.all(flags >> cover & 1)):
        return value
    return sql.SQL("coalesce({} FILTER (WHERE carried.flags & {} <> 0), 0)").format(value, sql.Literal(1 << cover))


def _rates(subject: Subject, frozen: Rates | None, parameters: dict[str, object]) -> sql.Composable:
    """Join each row's benchmarks, whose arrays are added to the parameters."""
    if frozen is None:
        return sql.SQL("")
    parameters |= frozen.parameters()
    width = range(frozen.width)
    return sql.SQL(_RATES).format(
        subjects=sql.Identifier(f"providers_{subject}"),
        key=sql.Identifier(f"{subject}_id"),
        arrays=sql.SQL(", ").join(
            sql.SQL("{}::{}[]").format(sql.Placeholder(f"r_{name}_{n}"), sql.SQL(kind))
            for n in width
            for name, kind in _RATE.items()
        ),
        columns=sql.SQL(", ").join(sql.Identifier(f"{name}_{n}") for n in width for name in _RATE),
    )


def _excess(
    days: Days, feed: str, subject: Subject, roles: Sequence[str], sums: Sequence[sql.Composable], frozen: Rates | None
) -> Ints:
    """Return, as negative values, what falls to others of the facts that the paths have brought in full."""
    by_room = "streamer_id" in key_columns(feed, subject) and subject == "merchant"
    paths: tuple[Subject, ...] = ("merchant", "streamer") if by_room else (subject,)
    pieces = {path: days.shared.pieces(path, roles) for path in paths}
    found = [np.zeros((0, 2 + len(sums)), dtype=np.int64)]
    for path in paths:
        cover = span_of(pieces[path], days.lo, days.hi)
        if not len(cover.subject):
            continue
        other: Subject = "streamer" if path == "merchant" else "merchant"
        parameters: dict[str, object] = {"first": day_of(days.lo), "last": day_of(days.hi), **cover.parameters()}
        query = sql.SQL(_ROWS).format(
            sums=sql.SQL(", ").join(sums),
            table=sql.Identifier(FACTS[feed, subject]._meta.db_table),
            key=sql.Identifier(f"{path}_id"),
            other=sql.SQL("fact.{}").format(sql.Identifier(f"{other}_id")) if by_room else sql.SQL("0::bigint"),
            rates=_rates(subject, frozen, parameters),
        )
        way = Ways(days.carriers.of(other, roles), pieces[other], other == "merchant") if by_room else None
        rows = excess(pieces[path], fetch(query, 3 + len(sums), parameters), way)
        found.append(np.delete(rows, 2, axis=1))
    return np.concatenate(found)


@cache  # composed once, as the text it is: a step sums every measure by every path
def _sum(code: str) -> sql.Composable:
    return sql.SQL(_total(sql.SQL("fact.{}").format(sql.Identifier(code))).as_string())


def _total(value: sql.Composable) -> sql.Composable:
    return sql.SQL("whole_sum({})").format(value)


@cache
def _expected(number: int, each: Expectation) -> sql.Composable:
    """Exposure × benchmark × factor of one row, half-up in whole numbers, then summed.

    Numerics cost some times as much as bigints, so only rows whose product would not fit are left to them.
    """
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


def stocks(days: Days) -> tuple[list[str], dict[int, Ints]]:
    """Return the codes of the delivered stocks, and per day with any of them the (providers, codes) states.

    On a day the feed delivered, no row is 0; a measure it did not deliver that day is UNKNOWN.
    """
    measures = [measure for measure in catalogue().stocks() if not measure.derived]
    place = {measure.code: column for column, measure in enumerate(measures)}
    states: dict[int, Ints] = {}
    delivered = DeliveredDay.objects.filter(day__gte=day_of(days.lo), day__lt=day_of(days.hi))
    for day, codes in delivered.filter(measures__overlap=list(place)).values_list("day", "measures"):
        if number(day) not in states:
            states[number(day)] = np.full((len(days.providers), len(place)), UNKNOWN, dtype=np.int64)
        states[number(day)][:, [place[code] for code in codes if code in place]] = 0
    groups: dict[tuple[str, Subject, tuple[str, ...]], list[Measure]] = defaultdict(list)
    for measure in measures:
        groups[measure.feed, measure.subject, catalogue().roles(measure)].append(measure)
    for (feed, subject, roles), members in groups.items() if states else ():
        if subject == "provider":
            rows = _own(days, feed, subject, [_sum(measure.code) for measure in members])
        else:
            cover = days.carriers.of(subject, roles).within(days.lo, days.hi)
            sums = [_sum(measure.code) for measure in members]
            rows = np.concatenate(
                [
                    _carried(days, feed, subject, subject, sums, cover, None, None),
                    _excess(days, feed, subject, roles, sums, None),
                ]
            )
        providers = np.searchsorted(days.providers, rows[:, 0])
        for column, measure in enumerate(members, start=2):
            for row, day_number, value in zip(
                providers.tolist(), rows[:, 1].tolist(), rows[:, column].tolist(), strict=True
            ):
                if day_number in states and states[day_number][row, place[measure.code]] != UNKNOWN:
                    states[day_number][row, place[measure.code]] += value
    return list(place), states
