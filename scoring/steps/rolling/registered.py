"""Derived flows of what is registered: bound days, operated sessions, renewals, violations, granted traffic."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from psycopg import sql

from providers.measures import catalogue
from scoring.steps.benchmarks import granted_rates
from scoring.steps.rolling.arrays import NEVER, Ints, day_of, fetch, number
from scoring.steps.rolling.coverage import Carriers, Cover
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.live import first_sessions
from scoring.steps.rolling.shared import Piece, off_turn

OPERATED_KNOWN_AFTER = 14  # days until the look-back of an operated session is over
OPERATED_HOURS_AHEAD = 24
OPERATED_BASELINE = 6
LEFT_RUNNING_DAYS = 30

# A session counts once its look-back is over.
_OPERATED = (
    "SELECT provider_id, (day + %(after)s - DATE '2000-01-01')::bigint FROM providers_operatedsession"
    " WHERE provider_id = ANY(%(providers)s) AND registered_hours_ahead >= %(hours)s"
    " AND baseline_sessions >= %(sessions)s AND NOT fell_below_after"
)
_RENEWALS = (
    "SELECT provider_id, (known_on - DATE '2000-01-01')::bigint, renewed::bigint FROM (SELECT provider_id,"
    " CASE WHEN renewed_on IS NOT NULL THEN renewed_on"
    " WHEN upper(period) <= term_ends_on THEN upper(period) ELSE term_ends_on + %(running)s END AS known_on,"
    " CASE WHEN renewed_on IS NOT NULL OR coalesce(upper(period) > term_ends_on + %(running)s, true) THEN 1 ELSE 0 END"
    " AS renewed FROM providers_binding WHERE status = 'confirmed' AND merchant_id IS NOT NULL"
    " AND term_ends_on IS NOT NULL AND NOT related_party AND provider_id = ANY(%(providers)s)) AS outcome"
)
_VIOLATIONS = (
    "SELECT provider_id, (decided_on - DATE '2000-01-01')::bigint FROM providers_violation"
    " WHERE status = 'decided' AND severity = %(severity)s AND provider_id = ANY(%(providers)s)"
)
_ISSUED = (
    "SELECT share.provider_id, (share.granted_on - DATE '2000-01-01')::bigint, share.amount FROM scoring_grant share"
    " JOIN scoring_budgetpool pool ON pool.id = share.pool_id WHERE pool.unit = 'impressions'"
    " AND share.granted_on IS NOT NULL AND share.status IN ('approved', 'paid', 'expired', 'clawed_back')"
    " AND share.provider_id = ANY(%(providers)s)"
)
_EXPIRED = (
    "SELECT share.provider_id, (share.expires_on - DATE '2000-01-01')::bigint, share.amount - share.settled_amount"
    " FROM scoring_grant share JOIN scoring_budgetpool pool ON pool.id = share.pool_id WHERE pool.unit = 'impressions'"
    " AND share.expires_on IS NOT NULL AND share.status = 'expired' AND share.provider_id = ANY(%(providers)s)"
)


def known_operated() -> dict[str, int]:
    """Return the limits an operated session must keep, as query parameters."""
    return {"hours": OPERATED_HOURS_AHEAD, "sessions": OPERATED_BASELINE, "after": OPERATED_KNOWN_AFTER}


def add_registered(days: Days) -> None:
    """Add the flows that follow from registers and grants."""
    providers = {"providers": days.providers.tolist()}
    for code, query, parameters in (
        ("operated_sessions", _OPERATED, known_operated()),
        ("medium_violations", _VIOLATIONS, {"severity": "medium"}),
        ("grave_violations", _VIOLATIONS, {"severity": "grave"}),
    ):
        rows = fetch(sql.SQL(query), 2, providers | parameters)
        days.add(code, rows[:, 0], rows[:, 1], 1)
    outcomes = fetch(sql.SQL(_RENEWALS), 3, providers | {"running": LEFT_RUNNING_DAYS})
    days.add("bindings_due", outcomes[:, 0], outcomes[:, 1], 1)
    days.add("bindings_renewed", outcomes[:, 0], outcomes[:, 1], outcomes[:, 2])
    for code, query in (("granted_impressions_issued", _ISSUED), ("granted_impressions_expired", _EXPIRED)):
        rows = fetch(sql.SQL(query), 3, dict(providers))
        days.add(code, rows[:, 0], rows[:, 1], rows[:, 2])
    _add_granted(days)
    roles = catalogue().feed_roles["service"]
    merchants = days.carriers.merchants(roles)
    days.add_spans("merchant_days", merchants.provider, merchants.lo, merchants.hi)
    _take_turns(days, "merchant_days", days.shared.pieces("merchant", roles), None)
    roles = catalogue().roles(catalogue().measures["room_days"])
    rooms = live_rooms(days.carriers, roles, days.hi)
    days.add_spans("room_days", rooms.provider, rooms.lo, rooms.hi)
    pieces = days.shared.pieces("streamer", roles)
    live_since = dict(first_sessions({piece.subject for piece in pieces}, days.hi).tolist()) if pieces else {}
    _take_turns(days, "room_days", pieces, live_since)


def _take_turns(days: Days, code: str, pieces: Sequence[Piece], since: dict[int, int] | None) -> None:
    """Take away the shared days that are another party's turn."""
    off = off_turn(pieces, days.lo, days.hi, since)
    days.add(code, off[:, 0], off[:, 1], -1)


def add_sums(days: Days) -> None:
    """Add the flows that are plain sums of delivered ones."""
    for code in ("gmv_known_source", "live_uv", "public_uv"):
        days.of(code)[:] = sum(days.of(part) for part in catalogue().measures[code].inputs)


def live_rooms(carriers: Carriers, roles: Sequence[str], until: int) -> Cover:
    """Return the spans of bound rooms, each from its first valid session before ``until`` on."""
    cover = carriers.rooms(roles)
    rooms = np.unique(cover.subject)
    found = first_sessions(rooms.tolist(), until)
    went_live = np.full(len(rooms), NEVER, dtype=np.int64)
    went_live[np.searchsorted(rooms, found[:, 0])] = found[:, 1]
    lo = np.maximum(cover.lo, went_live[np.searchsorted(rooms, cover.subject)])
    keep = lo < cover.hi
    return Cover(cover.provider[keep], cover.subject[keep], lo[keep], cover.hi[keep])


def _add_granted(days: Days) -> None:
    rates = granted_rates(day_of(days.lo), day_of(days.hi))
    if not rates:
        return
    used = days.of("granted_impressions_used") + days.of("granted_impressions_expired")
    expected = days.of("granted_gmv_expected")
    for (first, rate), until in zip(rates, [*[day for day, _ in rates[1:]], day_of(days.hi)], strict=True):
        part = slice(max(number(first) - days.lo, 0), max(number(until) - days.lo, 0))
        expected[:, part] = _half_up(used[:, part], rate)


def _half_up(values: Ints, rate: Fraction) -> Ints:
    exact = (2 * values.astype(object) * rate.numerator + rate.denominator) // (2 * rate.denominator)
    return exact.astype(np.int64)
