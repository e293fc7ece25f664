"""Derived states of providers at a day's end, computed for the day that is asked: registers may change at any time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from psycopg import sql

from providers.measures import catalogue
from providers.models import Violation
from scoring.steps.benchmarks import exact_median
from scoring.steps.rolling.arrays import UNKNOWN, Ints, day_of, fetch
from scoring.steps.rolling.coverage import Carriers, Cover
from scoring.steps.rolling.registered import known_operated, live_rooms

OPERATOR_TENTHS = {"junior": 10, "middle": 15, "senior": 20}
OPERATOR_SESSIONS, OPERATOR_DAYS = 2, 90

_OPEN_GRAVE = (
    "SELECT provider_id, count(*) FROM providers_violation WHERE severity = 'grave' AND status <> 'annulled'"
    " AND opened_on <= %(day)s AND (closed_on IS NULL OR closed_on > %(day)s) AND provider_id = ANY(%(providers)s)"
    " GROUP BY 1"
)
_PROVEN_INTEGRITY = (
    "SELECT provider_id, count(*) FROM providers_violation WHERE kind = ANY(%(kinds)s) AND status = 'decided'"
    " AND decided_on <= %(day)s AND provider_id = ANY(%(providers)s) GROUP BY 1"
)
_SIGNED = (
    "SELECT binding.provider_id, count(DISTINCT room.person) FROM providers_binding binding"
    " JOIN providers_streamer room ON room.id = binding.streamer_id WHERE binding.status = 'confirmed'"
    " AND binding.period @> %(day)s::date AND binding.provider_id = ANY(%(providers)s) GROUP BY 1"
)
_DECLARED = "SELECT id, 1::bigint FROM providers_provider WHERE distribution_declared AND id = ANY(%(providers)s)"
# A person's certificates count for the provider of the latest one, so that nobody stands in two teams.
_CERTIFIED = (
    "WITH holder AS (SELECT DISTINCT ON (person) person, provider_id, level FROM providers_operatorcertificate"
    " WHERE period @> %(day)s::date ORDER BY person, lower(period) DESC, id DESC)"
    " SELECT holder.provider_id, {value} FROM holder WHERE holder.provider_id = ANY(%(providers)s) {unless} GROUP BY 1"
)
_TENTHS = "sum(CASE level WHEN 'junior' THEN %(junior)s WHEN 'middle' THEN %(middle)s ELSE %(senior)s END)::bigint"
_RAN_ENOUGH = (
    "AND (SELECT count(*) FROM providers_operatedsession session WHERE session.operator = holder.person"
    " AND session.provider_id = holder.provider_id AND session.day <= %(day)s AND session.day > %(since)s) >= %(ran)s"
)
_UPLIFT = (
    "SELECT provider_id, gmv_strict_fen, baseline_fen * day_index_bp FROM providers_operatedsession"
    " WHERE provider_id = ANY(%(providers)s) AND registered_hours_ahead >= %(hours)s"
    " AND baseline_sessions >= %(sessions)s AND NOT fell_below_after AND baseline_fen > 0"
    " AND day + %(after)s <= %(day)s AND day + %(after)s > %(since)s ORDER BY 1"
)


def derived(code: str, carriers: Carriers, day: int) -> Ints:
    """Return a state of the carriers' providers (sorted ids) at the end of a day, UNKNOWN where there is none."""
    return _CARRIED[code](carriers, day) if code in _CARRIED else _REGISTERED[code](carriers.providers, day)


def _counts(providers: Ints, rows: Ints) -> Ints:
    result = np.zeros(len(providers), dtype=np.int64)
    np.add.at(result, np.searchsorted(providers, rows[:, 0]), rows[:, 1])
    return result


def _query(providers: Ints, day: int, query: str, **parameters: object) -> Ints:
    return _counts(
        providers,
        fetch(sql.SQL(query), 2, {"providers": providers.tolist(), "day": day_of(day), **parameters}),
    )


def _bound_rooms(carriers: Carriers, day: int) -> Ints:
    roles = catalogue().roles(catalogue().measures["bound_rooms"])
    found = live_rooms(carriers, roles, day + 1).on(day)
    return _counts(carriers.providers, np.stack([found.provider, np.ones_like(found.provider)], axis=1))


def _active_rooms(carriers: Carriers, day: int) -> Ints:
    cover = carriers.rooms(catalogue().feed_roles["live"]).on(day)
    return _with_facts(carriers.providers, cover, ("live", "streamer", "valid_sessions"), day, 30)


def _supply_merchants(carriers: Carriers, day: int) -> Ints:
    roles = catalogue().roles(catalogue().measures["supply_merchants"])
    cover = carriers.merchants(roles).on(day)
    return _with_facts(carriers.providers, cover, ("sales", "merchant", "strict_orders"), day, 90)


def _merchants_with_sales(carriers: Carriers, day: int) -> Ints:
    cover = carriers.merchants(catalogue().feed_roles["sales"]).on(day)
    return _with_facts(carriers.providers, cover, ("sales", "merchant", "strict_orders"), day, 30)


def _with_facts(providers: Ints, cover: Cover, source: tuple[str, str, str], day: int, window_days: int) -> Ints:
    """Count the covered subjects that have a positive fact in the trailing days, whoever they were bound to then."""
    feed, subject, code = source
    busy = fetch(
        sql.SQL(
            "SELECT DISTINCT fact.{key} FROM {table} fact WHERE fact.day <= %(day)s AND fact.day > %(since)s"
            " AND fact.{code} > 0 AND fact.{key} = ANY(%(subjects)s)"
        ).format(
            key=sql.Identifier(f"{subject}_id"),
            table=sql.Identifier(f"fact_{feed}_{subject}"),
            code=sql.Identifier(code),
        ),
        1,
        {"day": day_of(day), "since": day_of(day - window_days), "subjects": np.unique(cover.subject).tolist()},
    )
    keep = np.isin(cover.subject, busy[:, 0])
    return _counts(providers, np.stack([cover.provider[keep], np.ones_like(cover.provider[keep])], axis=1))


def _certified(providers: Ints, day: int) -> Ints:
    query = sql.SQL(_CERTIFIED).format(value=sql.SQL("count(*)"), unless=sql.SQL(""))
    return _counts(providers, fetch(query, 2, {"providers": providers.tolist(), "day": day_of(day)}))


def _operator_points(providers: Ints, day: int) -> Ints:
    query = sql.SQL(_CERTIFIED).format(value=sql.SQL(_TENTHS), unless=sql.SQL(_RAN_ENOUGH))
    parameters = {
        "providers": providers.tolist(),
        "day": day_of(day),
        "since": day_of(day - OPERATOR_DAYS),
        "ran": OPERATOR_SESSIONS,
        **OPERATOR_TENTHS,
    }
    return _counts(providers, fetch(query, 2, parameters))


def _uplift(providers: Ints, day: int) -> Ints:
    """Median of GMV ÷ (baseline × day index) − 1 in basis points, half-up; the mean of the middle two when even."""
    parameters = {"providers": providers.tolist(), "day": day_of(day), "since": day_of(day - 90), **known_operated()}
    result = np.full(len(providers), UNKNOWN, dtype=np.int64)
    rows = fetch(sql.SQL(_UPLIFT), 3, parameters)
    known, starts = np.unique(rows[:, 0], return_index=True)
    for provider, sessions in zip(known.tolist(), np.split(rows, starts[1:]), strict=False):
        uplift = exact_median(sessions[:, 1], sessions[:, 2]) * 10_000 - 1
        result[np.searchsorted(providers, provider)] = (uplift * 20_000 + 1) // 2
    return result


_CARRIED: dict[str, Callable[[Carriers, int], Ints]] = {
    "bound_rooms": _bound_rooms,
    "active_rooms": _active_rooms,
    "supply_merchants": _supply_merchants,
    "merchants_with_sales_30d": _merchants_with_sales,
}
_REGISTERED: dict[str, Callable[[Ints, int], Ints]] = {
    "certified_operators": _certified,
    "operator_points": _operator_points,
    "operated_uplift_bp": _uplift,
    "signed_streamers": lambda providers, day: _query(providers, day, _SIGNED),
    "distribution_declared": lambda providers, day: _query(providers, day, _DECLARED),
    "open_grave_violations": lambda providers, day: _query(providers, day, _OPEN_GRAVE),
    "proven_integrity_violations": lambda providers, day: _query(
        providers, day, _PROVEN_INTEGRITY, kinds=sorted(Violation.INTEGRITY)
    ),
}
