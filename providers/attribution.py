"""Who gets an order, and why: whoever was bound that day to its merchant or its room, by role and share.

The rules are those of the roll-up: every role has what its bindings carry, a store's room without a binding of its own
follows its merchant, and for totals a sale counts once, for the lead and the shares of the first role in the order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ecosystem.models import User
from ecosystem.roles import Role
from providers.choices import ROLE_PRIORITY, BindingRole
from providers.models import FACTS, Binding, Merchant, Provider, Streamer
from providers.shares import WHOLE, divided, percent_text

ORDER = [*ROLE_PRIORITY, *(role for role in BindingRole if role not in ROLE_PRIORITY)]
MOST_ROOMS = 20
WAYS: dict[str, str | Promise] = {
    "merchant": _("Bound to the merchant."),
    "room": _("Bound to the room."),
    "store": _("Bound to the store whose own room it is; the room has no binding of its own that day."),
}
RULES: dict[str, str | Promise] = {
    "counts": _("Counts in totals and plans: it is the first role in the order that is bound."),
    "other": _("Shown to this role, but counted in totals and plans for the one that comes first."),
    "never": _("This role carries what its feeds say, and never counts in totals and plans."),
}


@dataclass(frozen=True, slots=True)
class Party:
    """A provider's part in a binding; ``provider`` and all that tells who it is are empty where one may not see it."""

    provider: str
    code: str
    binding: int | None
    is_lead: bool
    share_bp: int
    starts_on: date | None
    ends_before: date | None
    confirmed_at: datetime | None
    consent: str
    gmv_settled_fen: int | None

    @property
    def share(self) -> str:
        """Return the share as a percentage."""
        return percent_text(self.share_bp)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one role gets of the order: by which way, why, and for whom."""

    role: str
    way: str
    rule: str
    parties: tuple[Party, ...]

    @property
    def role_name(self) -> str:
        """Name the role."""
        return str(BindingRole(self.role).label)

    @property
    def why(self) -> str:
        """Say by which binding, and whether it counts."""
        return f"{WAYS[self.way]} {RULES[self.rule]}"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The answer for one merchant, room (None: sold without one) and day."""

    merchant: Merchant
    streamer: Streamer | None
    day: date
    claims: tuple[Claim, ...]
    rooms: tuple[Streamer, ...]  # those that sold the merchant's goods that day, where no room was asked for


def attribution(user: User, merchant: Merchant, day: date, streamer: Streamer | None = None) -> Attribution | None:
    """Say who gets the orders of a merchant's day, sold in a room or without one.

    None where the user is a member of a provider that has no part in them.
    """
    ways = {"merchant": _bindings(day, Q(merchant=merchant))}
    if streamer is not None:
        ways["room"] = _bindings(day, Q(streamer=streamer))
        if not ways["room"] and streamer.merchant_id not in (None, merchant.pk):
            ways["store"] = _bindings(day, Q(merchant=streamer.merchant_id))
    concerned = {row.provider_id for rows in ways.values() for row in rows}
    own = Provider.objects.filter(pk__in=concerned)
    visible = set(own.visible_to(user).values_list("pk", flat=True))
    if not visible and user.role == Role.PROVIDER:
        return None
    readable = set(own.readable_by(user).values_list("pk", flat=True))
    value = _settled(merchant, streamer, day) if readable else None
    claims: list[Claim] = []
    counted = False
    for role in ORDER:
        for way, rows in ways.items():
            for lead in rows:
                if lead.role != role or lead.lead_id is not None:
                    continue
                shares = [row for row in rows if row.lead_id == lead.pk]
                rule = "never" if role not in ROLE_PRIORITY else "other" if counted else "counts"
                counted |= rule == "counts"
                claims.append(Claim(role, way, rule, _parties(lead, shares, visible, readable, value)))
    rooms = _rooms(merchant, day) if readable and streamer is None else ()
    return Attribution(merchant, streamer, day, tuple(claims), rooms)


def _bindings(day: date, about: Q) -> list[Binding]:
    found = Binding.objects.confirmed().filter(about, period__contains=day)
    return list(found.select_related("provider", "batch").order_by("pk"))


def _rooms(merchant: Merchant, day: date) -> tuple[Streamer, ...]:
    sales: Any = FACTS["sales", "merchant"]  # its columns are generated
    sold = sales.objects.filter(day=day, merchant_id=merchant.pk, streamer_id__gt=0).values("streamer_id")
    return tuple(Streamer.objects.filter(pk__in=sold).order_by("pk")[:MOST_ROOMS])


def _settled(merchant: Merchant, streamer: Streamer | None, day: date) -> int | None:
    """Return the settled GMV of the day in fen as it stands now, None where nothing was delivered."""
    sales: Any = FACTS["sales", "merchant"]  # its columns are generated
    facts = sales.objects.filter(day=day, merchant_id=merchant.pk, streamer_id=streamer.pk if streamer else 0)
    value: int | None = facts.values_list("gmv_settled", flat=True).first()
    return value


def _parties(
    lead: Binding, shares: list[Binding], visible: Collection[int], readable: Collection[int], value: int | None
) -> tuple[Party, ...]:
    parts = [WHOLE - sum(row.share_bp or 0 for row in shares), *(row.share_bp or 0 for row in shares)]
    values = [None] * len(parts) if value is None else divided(np.array([value]), parts)[:, 0].tolist()
    return tuple(
        _party(row, bp, row.provider_id in visible, part if row.provider_id in readable else None)
        for row, bp, part in zip([lead, *shares], parts, values, strict=True)
    )


def _party(row: Binding, bp: int, is_visible: bool, part: int | None) -> Party:
    if not is_visible:
        return Party("", "", None, row.lead_id is None, bp, None, None, None, "", None)
    consent = " · ".join(filter(None, [row.confirmed_by, row.evidence, str(row.batch) if row.batch else ""]))
    return Party(
        provider=row.provider.name,
        code=row.provider.code,
        binding=row.pk,
        is_lead=row.lead_id is None,
        share_bp=bp,
        starts_on=row.period.lower,
        ends_before=row.period.upper,
        confirmed_at=row.confirmed_at,
        consent=consent,
        gmv_settled_fen=part,
    )
