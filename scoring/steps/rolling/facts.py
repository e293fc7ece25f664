"""Delivered measures: what the facts that reach providers add up to, without what falls to others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np
from psycopg import sql

from providers.measures import Measure, Subject, catalogue
from providers.models import FACTS, DeliveredDay
from scoring.steps.rolling.arrays import UNKNOWN, Ints, day_of, fetch, number
from scoring.steps.rolling.carried import Group, given_rates, summed
from scoring.steps.rolling.coverage import Part
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.expected import EXPECTATIONS
from scoring.steps.rolling.settled import FEED, settled_parts
from scoring.steps.rolling.shared import Ways, excess, span_of

# The single rows of shared subjects, which are few.
_ROWS = (
    "WITH {given} SELECT fact.{key}, {other}, (fact.day - DATE '2000-01-01')::bigint, {sums} FROM shared"
    " JOIN {table} AS fact ON fact.day = shared.day AND fact.{key} = shared.subject_id {rates}"
    " WHERE fact.day >= %(first)s AND fact.day < %(last)s GROUP BY 1, 2, 3"
)
_SHARED = (
    "shared AS MATERIALIZED (SELECT span.subject_id, DATE '2000-01-01' + laid.day AS day"
    " FROM unnest(%(subject)s::bigint[], %(lo)s::int[], %(hi)s::int[]) AS span(subject_id, lo, hi),"
    " generate_series(span.lo, span.hi - 1) AS laid(day))"
)


def add_flows(days: Days) -> None:
    """Add every delivered flow, and what its rows are expected to yield at benchmark."""
    parts = {group: settled_parts(days) for group in _flows() if (group.feed, group.subject) == FEED}
    for group, rows in _brought(days, _flows(), parts):
        codes = [*group.codes, *(each.code for each in group.expectations)]
        codes += [part.code for part in parts.get(group, ())]
        # Only the rows of the group's own way have its parts.
        for column, code in enumerate(codes[: rows.shape[1] - 2], start=2):
            days.add(code, rows[:, 0], rows[:, 1], rows[:, column])


def stocks(days: Days) -> tuple[list[str], dict[int, Ints]]:
    """Return the codes of the delivered stocks, and per day with any of them the (providers, codes) states.

    On a day the feed delivered, no row is 0; a measure it did not deliver that day is UNKNOWN.
    """
    place = {code: column for column, code in enumerate(one.code for one in catalogue().stocks() if not one.derived)}
    states: dict[int, Ints] = {}
    delivered = DeliveredDay.objects.filter(day__gte=day_of(days.lo), day__lt=day_of(days.hi))
    for day, codes in delivered.filter(measures__overlap=list(place)).values_list("day", "measures"):
        if number(day) not in states:
            states[number(day)] = np.full((len(days.providers), len(place)), UNKNOWN, dtype=np.int64)
        states[number(day)][:, [place[code] for code in codes if code in place]] = 0
    for group, rows in _brought(days, _states(), {}) if states else ():
        providers = np.searchsorted(days.providers, rows[:, 0])
        for column, code in enumerate(group.codes, start=2):
            for row, day_number, value in zip(
                providers.tolist(), rows[:, 1].tolist(), rows[:, column].tolist(), strict=True
            ):
                if day_number in states and states[day_number][row, place[code]] != UNKNOWN:
                    states[day_number][row, place[code]] += value
    return list(place), states


@cache
def _flows() -> tuple[Group, ...]:
    return tuple(_groups(lambda measure: measure.kind == "flow"))


@cache
def _states() -> tuple[Group, ...]:
    return tuple(_groups(lambda measure: measure.kind == "stock" and measure.across != "none"))


def _groups(wanted: Callable[[Measure], bool]) -> Iterable[Group]:
    """Yield the delivered measures that are wanted, those of one table and the same roles together."""
    for feed, subject in catalogue().fact_feeds():
        codes: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for measure in catalogue().delivered(feed, subject):
            if wanted(measure):
                codes[catalogue().roles(measure)].append(measure.code)
        for roles, together in codes.items():
            expectations = tuple(
                each
                for each in EXPECTATIONS
                if (each.feed, each.subject) == (feed, subject) and each.numerator in together
            )
            yield Group(feed, subject, roles, tuple(together), expectations)


def _brought(days: Days, groups: Sequence[Group], parts: dict[Group, list[Part]]) -> Iterable[tuple[Group, Ints]]:
    """Yield (provider, day, sums…) rows of groups: all that reaches the providers, then less what falls to others."""
    yield from summed(days, groups, parts)
    for group in groups:
        if group.subject != "provider":
            yield group, _excess(days, group)


def _excess(days: Days, group: Group) -> Ints:
    """Return, as negative values, what falls to others of the facts that are brought in full."""
    paths: tuple[Subject, ...] = ("merchant", "streamer") if group.by_room else (group.subject,)
    pieces = {path: days.shared.pieces(path, group.roles) for path in paths}
    sums = group.sums()
    found = [np.zeros((0, 2 + len(sums)), dtype=np.int64)]
    for path in paths:
        cover = span_of(pieces[path], days.lo, days.hi)
        if not len(cover.subject):
            continue
        other: Subject = "streamer" if path == "merchant" else "merchant"
        rate, parameters = given_rates(days, [group])
        parameters |= {"first": day_of(days.lo), "last": day_of(days.hi), **cover.parameters()}
        query = sql.SQL(_ROWS).format(
            given=sql.SQL(", ").join([sql.SQL(_SHARED), *rate]),
            sums=sql.SQL(", ").join(sums),
            table=sql.Identifier(FACTS[group.feed, group.subject]._meta.db_table),
            key=sql.Identifier(f"{path}_id"),
            other=sql.SQL("fact.{}").format(sql.Identifier(f"{other}_id")) if group.by_room else sql.SQL("0::bigint"),
            rates=group.rates(),
        )
        way = Ways(days.carriers.of(other, group.roles), pieces[other], other == "merchant") if group.by_room else None
        rows = excess(pieces[path], fetch(query, 3 + len(sums), parameters), way)
        found.append(np.delete(rows, 2, axis=1))
    return np.concatenate(found)
