"""Shares in a bindings file: each is found its lead binding, and what the ledger would refuse is named per row.

A share of the row's provider that began before ends where the row begins, which takes its place; one that began on the
same day is corrected in retrospect; a row that reaches one that begins later is refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _

from providers.errors import RowFault
from providers.models import Binding
from providers.shares import WHOLE, percent_text

if TYPE_CHECKING:
    from providers.steps.bind_import import BindingRow, Key


@dataclass(slots=True)
class Placed:
    """The rows with the end they have, the lead binding of each, the shares that stand already, and the faults.

    ended: shares that end on the first day of a row that takes their place; replacing: those rows.
    """

    rows: list[BindingRow] = field(default_factory=list)
    leads: dict[Key, int] = field(default_factory=dict)
    known: dict[Key, Binding] = field(default_factory=dict)
    ended: dict[Binding, date] = field(default_factory=dict)
    replacing: set[Key] = field(default_factory=set)
    faults: list[RowFault] = field(default_factory=list)

    def refuse(self, row: BindingRow, column: str, found: str, reason: str) -> None:
        """Note a fault of a row."""
        self.faults.append(RowFault(row.row, column, found, reason))


def place_shares(rows: Sequence[BindingRow]) -> Placed:
    """Find the confirmed lead binding of every share; its subject is held by the caller."""
    placed = Placed()
    leads = _leads(rows)
    standing: dict[int, list[Binding]] = defaultdict(list)
    shares = Binding.objects.confirmed().filter(lead__in=[lead.pk for own in leads.values() for lead in own])
    for share in shares.select_related("provider").order_by("pk"):
        standing[share.lead_id or 0].append(share)
    for row in rows:
        lead = next((one for one in leads[_about(row)] if row.starts_on in one.period), None)
        if lead is None:
            reason = _("No confirmed binding of the lead holds this day for the same subject and role.")
            placed.refuse(row, "starts_on", row.starts_on.isoformat(), reason)
            continue
        last = lead.period.upper
        placed.rows.append(row := replace(row, ends_before=row.ends_before or last))
        placed.leads[row.key] = lead.pk
        if row.ends_before and last and row.ends_before > last:
            reason = _("The binding it is a share of ends before %(day)s.") % {"day": last.isoformat()}
            placed.refuse(row, "ends_before", row.ends_before.isoformat(), reason)
        known = [
            one for one in standing[lead.pk] if (one.provider_id, one.period.lower) == (row.provider_id, row.starts_on)
        ]
        for share in known:
            placed.known[row.key] = share
            standing[lead.pk].remove(share)
    for row in placed.rows:
        _take_place(placed, row, standing[placed.leads[row.key]])
    if not placed.faults:
        _refuse_excess(placed, standing)
    return placed


def _take_place(placed: Placed, row: BindingRow, standing: Sequence[Binding]) -> None:
    """End what the provider has had until the row begins; refuse a row that reaches what it has later."""
    for share in standing:
        first, last = share.period.lower, share.period.upper or date.max
        if share.provider_id != row.provider_id:
            continue
        if first < row.starts_on < last:
            placed.ended[share] = min(row.starts_on, placed.ended.get(share, date.max))
            placed.replacing.add(row.key)
        elif row.starts_on < first < (row.ends_before or date.max):
            reason = _("The provider has another share from %(day)s on; end this row before that day.")
            placed.refuse(row, "starts_on", row.starts_on.isoformat(), reason % {"day": first.isoformat()})


def _leads(rows: Sequence[BindingRow]) -> dict[tuple[object, ...], list[Binding]]:
    about = Q(merchant__in={row.merchant_id for row in rows}) | Q(streamer__in={row.streamer_id for row in rows})
    held = Binding.objects.confirmed().leads().filter(about, provider__in={row.lead_provider_id for row in rows})
    found: dict[tuple[object, ...], list[Binding]] = defaultdict(list)
    for lead in held:
        found[lead.provider_id, lead.merchant_id, lead.streamer_id, lead.role].append(lead)
    return found


def _about(row: BindingRow) -> tuple[object, ...]:
    return row.lead_provider_id, row.merchant_id, row.streamer_id, row.role


def _refuse_excess(placed: Placed, standing: dict[int, list[Binding]]) -> None:
    """Name rows on whose days a party would have two shares, or the lead nothing."""
    parts: dict[int, list[tuple[date, date, int, int]]] = defaultdict(list)
    for lead, shares in standing.items():
        parts[lead] += [
            (one.period.lower, placed.ended.get(one, one.period.upper or date.max), one.provider_id, one.share_bp or 0)
            for one in shares
        ]
    for row in placed.rows:
        own = (row.starts_on, row.ends_before or date.max, row.provider_id, row.share_bp or 0)
        beside = [one for one in parts[placed.leads[row.key]] if one[0] < own[1] and own[0] < one[1]]
        parts[placed.leads[row.key]].append(own)
        if any(provider == row.provider_id for _, _, provider, _ in beside):
            reason = _("The provider has another share of some of these days.")
            placed.refuse(row, "starts_on", row.starts_on.isoformat(), reason)
        # What is given away is largest on a day on which a share begins.
        begins = {max(own[0], first) for first, *_ in beside} | {own[0]}
        given = max(sum(bp for first, last, _, bp in beside if first <= day < last) for day in begins)
        if given + own[3] >= WHOLE:
            reason = _("The lead keeps a part: less than %(left)s can be given on these days.")
            placed.refuse(row, "share_bp", str(row.share_bp), reason % {"left": percent_text(WHOLE - given)})
