"""Register feeds as files: providers, bases, merchants, streamers, bindings."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import TYPE_CHECKING

from scoring.demo import names
from scoring.demo.population import belts, generator
from scoring.demo.sizes import AS_OF
from scoring.demo.stories import by_story

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoring.demo.world import World

EVIDENCE = "历史合同存档（演示）"


def file_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> io.BytesIO:
    """Return a CSV file in memory."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return io.BytesIO(text.getvalue().encode())


PROVIDER_COLUMNS = [
    "provider",
    "name",
    "category",
    "goods_category",
    "credit_code",
    "province",
    "city",
    "belt",
    "contact_name",
    "contact_email",
    "contact_phone",
    "legal_person",
    "distribution_declared",
    "approved_on",
    "evidence",
]


def provider_row(world: World, index: int, *, name: str = "") -> list[object]:
    """Return one provider's row, under another name if one is given."""
    one = world.providers[index]
    return [
        one.code,
        name or one.name,
        one.category,
        one.goods_category,
        names.credit_code(one.credit_number),
        one.province,
        one.city,
        one.belt.code if one.belt else "",
        names.person(index * 7 + 3),
        f"{one.code.lower()}@example.com",
        names.phone(index),
        names.person(index * 5 + 1),
        int(world.declared[index]),
        one.joined,
        EVIDENCE,
    ]


def providers(world: World, *, departed: bool) -> io.BytesIO:
    """Return the file of the providers that have left, or of those that work."""
    return file_of(
        PROVIDER_COLUMNS,
        (provider_row(world, one.index) for one in world.providers if (one.left is not None) == departed),
    )


def bases(world: World) -> io.BytesIO:
    """Return the file of bases: awarded, in review, suspended; the belts with most trade come first."""
    size = world.size
    rng = generator(9, len(size.name))
    operators = [one for one in world.providers if one.category in {"BELT", "LOCAL_MERCHANT"} and one.left is None]
    statuses = ["awarded"] * size.awarded_bases + ["in_review"] * size.reviewed_bases
    statuses += ["suspended"] * size.suspended_bases
    places = sorted(belts(), key=lambda belt: (-belt.weight, belt.code))
    rows = []
    for number, status in enumerate(statuses):
        belt = places[number % len(places)]
        near = [one for one in operators if one.belt and one.belt.code == belt.code] or [
            one for one in operators if one.province == belt.province
        ]
        operator = (near or operators)[int(rng.integers(len(near or operators)))]
        # Forty-one stood when the partner plan closed, the others followed.
        awarded = date(2020, 9, 15) + timedelta(days=int(number * 640 / max(len(statuses), 1)))
        rows.append(
            [
                f"base-{number + 1:03d}",
                f"{names.word(number * 3)}直播基地{names.MARKER}",
                belt.code,
                belt.province,
                belt.city,
                operator.code,
                status,
                awarded if status != "in_review" else "",
            ]
        )
    return file_of(["base", "name", "belt", "province", "city", "operated_by", "status", "awarded_on"], rows)


def merchants(world: World) -> io.BytesIO:
    """Return the file of merchants."""
    first = world.size.first_day
    return file_of(
        ["merchant", "name", "category", "province", "city", "belt", "contact_email", "opened_on"],
        (
            [
                one.code,
                one.name,
                one.category,
                one.province,
                one.city,
                one.belt.code if one.belt else "",
                one.email,
                first + timedelta(days=one.opened),
            ]
            for one in world.merchants
        ),
    )


def streamers(world: World) -> io.BytesIO:
    """Return the file of live accounts; a store's own room names its store."""
    return file_of(
        ["streamer", "name", "person", "merchant", "category", "province", "followers", "contact_email"],
        (
            [
                one.code,
                one.name,
                one.person,
                one.code.removesuffix("L") if one.is_store else "",
                one.category,
                one.province,
                one.followers,
                f"{one.code.lower()}@example.com",
            ]
            for one in world.rooms
        ),
    )


BINDING_COLUMNS = [
    "provider",
    "merchant",
    "streamer",
    "role",
    "starts_on",
    "ends_before",
    "evidence",
    "term_ends_on",
    "renewed_on",
]


def bindings(world: World) -> io.BytesIO:
    """Return the file of bindings: every contract term of a merchant, every signing of a streamer."""
    first = world.size.first_day
    rows: list[list[object]] = []

    def day(index: int | None) -> date | None:
        return None if index is None else first + timedelta(days=index)

    for provider, roster in zip(world.providers, world.rosters, strict=True):
        for merchant in roster.merchants:
            for term in merchant.terms:
                rows.append(
                    [
                        provider.code,
                        merchant.code,
                        "",
                        roster.role,
                        day(term.start),
                        day(term.end),
                        EVIDENCE,
                        day(term.term_ends),
                        day(term.renewed),
                    ]
                )
        for room in roster.rooms:
            if not room.is_store:
                rows.append(
                    [provider.code, "", room.code, roster.room_role, day(room.start), day(room.end), EVIDENCE, "", ""]
                )
    return file_of(BINDING_COLUMNS, rows + _shared(world))


def _shared(world: World) -> list[list[object]]:
    """Bind some merchants to a second provider in another role: trained, supplied, or part of a belt's list."""
    rng = generator(10, len(world.size.name))
    rows: list[list[object]] = []
    taken: set[tuple[str, str]] = set()
    small = [
        merchant
        for provider, roster in zip(world.providers, world.rosters, strict=True)
        for merchant in roster.merchants
        if provider.category in {"LOCAL_MERCHANT", "BRAND"} and provider.left is None and merchant.end is None
    ]
    for provider in world.providers:
        wanted = {"TRAINING": 10, "SUPPLY": 3, "BELT": 3}.get(provider.category, 0)
        role = {"TRAINING": "training", "SUPPLY": "supply", "BELT": "belt"}.get(provider.category, "")
        for _ in range(wanted if provider.left is None else 0):
            merchant = small[int(rng.integers(len(small)))]
            start = max(world.size.first_day + timedelta(days=merchant.start + 20), provider.joined + timedelta(days=5))
            if (merchant.code, role) in taken or start >= AS_OF:
                continue
            taken.add((merchant.code, role))
            rows.append([provider.code, merchant.code, "", role, start, "", EVIDENCE, start + timedelta(days=365), ""])
    return rows


def double_claim(world: World) -> io.BytesIO:
    """Return bindings in which a second provider claims a merchant that another one operates."""
    claimant, claimed = by_story(world.providers, "claimant")[0], by_story(world.providers, "claimed")[0]
    merchant = next(one for one in world.rosters[claimed.index].merchants if one.end is None)
    return file_of(
        BINDING_COLUMNS,
        [[claimant.code, merchant.code, "", "operation", AS_OF - timedelta(days=40), "", EVIDENCE, "", ""]],
    )
