"""Sums over windows as differences of two running totals, of all operands in one query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from psycopg import sql

from providers.steps.standing import one_value
from scoring.core.formula import Operand
from scoring.steps.rolling.arrays import Ints, among, day_of, fetch

_SUMS = "SELECT string_agg({sent}, '') FROM provider_cum upto {before} WHERE upto.day = {day} AND {wanted}"
_BEFORE = "LEFT JOIN provider_cum {before} ON {before}.day = {day} AND {before}.provider_id = upto.provider_id"
# For those without a row that day: whose totals end earlier keep what they had.
_EARLIER = (
    "SELECT wanted.id, {values} FROM unnest(%(providers)s::bigint[]) AS wanted(id), LATERAL ("
    "SELECT {columns} FROM provider_cum WHERE provider_id = wanted.id AND day <= %(day)s ORDER BY day DESC LIMIT 1)"
    " AS total"
)


def window_sums(operands: Sequence[Operand], providers: Ints, as_of: int) -> dict[Operand, Ints]:
    """Return each flow's sum over the days before as_of, aligned with the providers, which are ordered."""
    if not operands or not len(providers):
        return {}
    upto = as_of - 1
    days = sorted({upto - operand.days for operand in operands})
    read = _on_days(operands, providers, upto, days)
    sums = dict(zip(operands, read[1 + len(days) :], strict=True))
    _add_earlier(sums, providers[read[0] == 0], providers, upto, operands, sign=1)
    for day, there in zip(days, read[1:], strict=False):
        started = [operand for operand in operands if upto - operand.days == day]
        _add_earlier(sums, providers[there == 0], providers, day, started, sign=-1)
    return sums


def _on_days(operands: Sequence[Operand], providers: Ints, upto: int, days: Sequence[int]) -> Ints:
    """Read who has a row on the last day and on each day before a window, 0 = nobody, then what lies between."""
    names = {day: sql.Identifier(f"before_{upto - day}") for day in days}
    sent: list[sql.Composable] = [sql.SQL("upto.provider_id")]
    sent += [sql.SQL("coalesce({}.provider_id, 0)").format(name) for name in names.values()]
    sent += [
        sql.SQL("upto.{code} - coalesce({before}.{code}, 0)").format(
            code=sql.Identifier(operand.measure), before=names[upto - operand.days]
        )
        for operand in operands
    ]
    query = sql.SQL(_SUMS).format(
        sent=sql.SQL(" || ").join(sql.SQL("int8send({})").format(value) for value in sent),
        before=sql.SQL(" ").join(
            sql.SQL(_BEFORE).format(before=name, day=sql.Literal(day_of(day))) for day, name in names.items()
        ),
        day=sql.Literal(day_of(upto)),
        wanted=among(sql.SQL("upto.provider_id"), providers),
    )
    # Rows of one bytea each: an array per column took twice as long.
    rows = np.frombuffer(one_value(query), dtype=">i8").reshape(-1, len(sent))
    rows = rows[np.isin(rows[:, 0], providers)]
    read = np.zeros((len(sent), len(providers)), dtype=np.int64)
    read[:, np.searchsorted(providers, rows[:, 0])] = rows.T
    return read


def _add_earlier(
    sums: dict[Operand, Ints], absent: Ints, providers: Ints, day: int, operands: Sequence[Operand], *, sign: int
) -> None:
    """Add or subtract the totals as of a day of those without a row on it."""
    if not len(absent):
        return
    codes = sorted({operand.measure for operand in operands})
    query = sql.SQL(_EARLIER).format(
        values=sql.SQL(", ").join(sql.SQL("total.{}").format(sql.Identifier(code)) for code in codes),
        columns=sql.SQL(", ").join(map(sql.Identifier, codes)),
    )
    rows = fetch(query, 1 + len(codes), {"providers": absent.tolist(), "day": day_of(day)})
    places = np.searchsorted(providers, rows[:, 0])
    for operand in operands:
        sums[operand][places] += sign * rows[:, 1 + codes.index(operand.measure)]
