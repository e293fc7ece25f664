"""Whom each provider serves: merchants with terms and renewals, streamers who are signed, survive or leave.

Days are indexes from the first day of the demo; negative ones lie before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from providers.choices import BindingRole
from scoring.demo import names
from scoring.demo.population import MIX, SCALE, generator

if TYPE_CHECKING:
    from scoring.demo.habits import Habits
    from scoring.demo.population import Belt, Provider
    from scoring.demo.sizes import Size

ROLE = {
    "LOCAL_MERCHANT": BindingRole.OPERATION,
    "BRAND": BindingRole.OPERATION,
    "MCN": BindingRole.MCN,
    "BELT": BindingRole.BELT,
    "SUPPLY": BindingRole.SUPPLY,
    "TRAINING": BindingRole.TRAINING,
}
# Merchants served at a time, streamers signed at a time, new streamers a quarter (capped: the real ones have more).
_SERVES = {
    "LOCAL_MERCHANT": (9, 6, 6),
    "BRAND": (8, 6, 6),
    "MCN": (6, 11, 11),
    "BELT": (14, 9, 11),
    "SUPPLY": (11, 5, 5),
}
_GOODS = {
    "apparel": ("女装", "男装", "箱包", "鞋履", "童装", "羽绒服"),
    "beauty": ("护肤", "彩妆", "洗护"),
    "food": ("鲜果", "零食", "海鲜", "大米", "螺蛳粉"),
    "home": ("家纺", "陶瓷", "日用", "灯饰"),
    "jewellery": ("翡翠", "珍珠", "水晶", "和田玉"),
    "baby_toys": ("玩具", "童装"),
    "electronics": ("小家电", "手机配件"),
    "tea_liquor": ("岩茶", "白酒", "普洱"),
    "other": ("杂货",),
}


@dataclass(slots=True)
class Term:
    """One binding of a merchant: half-open days; its contract term, and the day it was renewed."""

    start: int
    end: int | None
    term_ends: int
    renewed: int | None


@dataclass(slots=True)
class Merchant:
    """A shop and the terms its provider has served it."""

    code: str
    name: str
    category: str
    province: str
    city: str
    belt: Belt | None
    slot: int
    terms: list[Term] = field(default_factory=list)
    opened: int = 0
    email: str = ""

    @property
    def start(self) -> int:
        """Return the first day it was served."""
        return self.terms[0].start

    @property
    def end(self) -> int | None:
        """Return the first day it was no longer served, None while it is."""
        return self.terms[-1].end


@dataclass(slots=True)
class Room:
    """A live account: a streamer bound to the provider, or a store's own room without a binding of its own."""

    code: str
    name: str
    person: str
    slot: int
    start: int
    end: int | None
    stops: int | None
    survives: bool
    is_store: bool
    category: str
    province: str
    followers: int = 0


@dataclass(slots=True)
class Roster:
    """Everyone one provider serves or served."""

    role: BindingRole
    room_role: BindingRole
    merchants: list[Merchant]
    rooms: list[Room]
    slots: int


def roster(provider: Provider, habits: Habits, size: Size) -> Roster:
    """Build the merchants and rooms of one provider; training providers share those of others and have none here."""
    role = ROLE[provider.category]
    # A supply provider's own studio signs its streamers as an agency does: its supply role carries no live facts.
    room_role = BindingRole.MCN if provider.category == "SUPPLY" else role
    if provider.category == "TRAINING":
        return Roster(role, room_role, [], [], 0)
    rng = generator(4, len(size.name), provider.index)
    begin = (provider.joined - size.first_day).days + 2
    end = size.days if provider.left is None else (provider.left - size.first_day).days
    merchants_at_a_time, signed, arrivals = _SERVES[provider.category]
    median, spread = SCALE[provider.category]
    height = float(np.log(max(provider.settled_year_fen, 1) / (median * 100)) / spread)
    breadth = float(np.clip(1 + 0.22 * height, 0.55, 1.6))
    if provider.story == "few":
        merchants_at_a_time, signed, arrivals, breadth = 2, 1, 1, 1.0
    slots = max(2, round(merchants_at_a_time * breadth))
    merchants = _merchants(provider, habits, rng, slots, begin, end)
    rooms = _streamers(provider, habits, rng, slots, begin, end, max(1, round(signed * breadth)), arrivals * breadth)
    rooms += _store_rooms(provider, rng, merchants, end)
    return Roster(role, room_role, merchants, rooms, slots)


def _merchants(
    provider: Provider, habits: Habits, rng: np.random.Generator, slots: int, begin: int, end: int
) -> list[Merchant]:
    """Fill every slot with one merchant after another; a contract runs half a year or a year."""
    found: list[Merchant] = []
    floor = max(begin, -500)
    for slot in range(slots):
        day = floor + int(rng.integers(0, 60 if begin > -200 else 200))
        while day < end - 5:
            merchant = _merchant(provider, rng, slot, len(found), day)
            renewing = True
            start = day
            while renewing and start < end:
                length = 181 if rng.random() < 0.72 else 365
                due = start + length
                renewing = bool(rng.random() < habits["renewal"])
                early = not renewing and rng.random() < 0.25
                stop = start + int(length * rng.uniform(0.4, 0.95)) if early else due
                signed_on = due - int(rng.integers(1, 20))
                open_end = stop >= end or (renewing and signed_on >= end)
                merchant.terms.append(
                    Term(start, None if open_end else stop, due, signed_on if renewing and signed_on < end else None)
                )
                if open_end:
                    break
                start = stop
            if provider.left is not None and merchant.terms[-1].end is None:
                merchant.terms[-1].end = max(end, merchant.terms[-1].start + 1)
            found.append(merchant)
            last = merchant.end
            day = end if last is None else last + int(rng.integers(3, 45))
    return found


def _merchant(provider: Provider, rng: np.random.Generator, slot: int, number: int, day: int) -> Merchant:
    category = provider.goods_category
    if rng.random() > 0.85:
        category = str(rng.choice(list(MIX), p=np.array(list(MIX.values())) / sum(MIX.values())))
    goods = (
        provider.belt.goods
        if provider.belt and category == provider.belt.category
        else str(rng.choice(_GOODS[category]))
    )
    code = f"M{provider.index + 1:04d}{number + 1:03d}"
    return Merchant(
        code=code,
        name=names.merchant(goods, provider.index * 13 + number * 7),
        category=category,
        province=provider.province,
        city=provider.city,
        belt=provider.belt if provider.belt and category == provider.belt.category else None,
        slot=slot,
        opened=day - int(rng.integers(0, 400)),
        email=f"{code.lower()}@example.com",
    )


def _room(provider: Provider, number: int, slot: int, start: int, end: int | None, **more: object) -> Room:
    code = f"R{provider.index + 1:04d}{number + 1:03d}"
    return Room(
        code=code,
        name=names.streamer((provider.index + 1) * 1000 + number + 1),
        person=f"person-{code.lower()}",
        slot=slot,
        start=start,
        end=end,
        category=provider.goods_category,
        province=provider.province,
        **more,  # type: ignore[arg-type]
    )


def _streamers(
    provider: Provider,
    habits: Habits,
    rng: np.random.Generator,
    slots: int,
    begin: int,
    end: int,
    signed: int,
    arrivals: float,
) -> list[Room]:
    """Sign a first cohort and then new streamers all the time; many leave before their ninetieth day."""
    rooms: list[Room] = []
    leaving = 0.045 / 30
    floor = max(begin, 0)
    for number in range(signed):
        start = (
            begin + int(rng.integers(0, 2))
            if begin > -60
            else int(max(begin, min(-400, end - 120)) + rng.integers(0, 60))
        )
        gone = max(floor, start) + 5 + int(rng.exponential(1 / leaving)) if number else end
        rooms.append(
            _room(
                provider,
                len(rooms),
                number % slots,
                start,
                min(gone, end) if gone < end or provider.left else None,
                stops=None,
                survives=True,
                is_store=False,
                followers=int(rng.lognormal(11, 1.2)),
            )
        )
    day = max(begin + 10, -100) + rng.exponential(90 / arrivals)
    while day < end - 4:
        start = int(day)
        survives = bool(rng.random() < habits["survival"])
        quits = not survives and bool(rng.random() < 0.6)
        stays = int(rng.integers(32, 75)) if quits else 95 + int(rng.exponential(1 / (leaving if survives else 1 / 60)))
        gone = start + stays
        rooms.append(
            _room(
                provider,
                len(rooms),
                int(rng.integers(slots)),
                start,
                min(gone, end) if gone < end or provider.left else None,
                stops=start + int(stays * rng.uniform(0.6, 0.95)) if quits else None,
                survives=survives,
                is_store=False,
                followers=int(rng.lognormal(8.5, 1)),
            )
        )
        day += rng.exponential(90 / arrivals)
    return rooms


def _store_rooms(provider: Provider, rng: np.random.Generator, merchants: list[Merchant], end: int) -> list[Room]:
    """Give some shops a room of their own: it follows the shop's binding."""
    if provider.category not in {"LOCAL_MERCHANT", "BRAND"} or provider.story == "few":
        return []
    rooms = []
    for merchant in merchants:
        if merchant.slot % 4 == 1:
            last = merchant.end
            rooms.append(
                Room(
                    code=f"{merchant.code}L",
                    name=f"{merchant.name}直播间",
                    person=f"store-{merchant.code.lower()}",
                    slot=merchant.slot,
                    start=merchant.start,
                    end=end if last is None else last,
                    stops=None,
                    survives=True,
                    is_store=True,
                    category=merchant.category,
                    province=merchant.province,
                    followers=int(rng.lognormal(9, 1)),
                )
            )
    return rooms
