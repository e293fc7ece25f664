"""Split shares: what falls to others of a subject that a provider has only a part of.

The roll-up first counts a shared subject in full for every party, as spans of bindings have it; here each party's
excess is found, row by row of facts, and added as a negative value. So whoever shares nothing pays one small query.
A provider that reaches a row in several ways has the largest part any of them gives it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from psycopg import sql

from providers.choices import BindingRole
from providers.measures import Subject
from providers.shares import WHOLE, divided, turns
from scoring.steps.rolling.arrays import NEVER, Ints, fetch
from scoring.steps.rolling.coverage import Cover
from scoring.steps.rolling.spans import Span, less, union

_SUBJECTS = (
    "SELECT DISTINCT coalesce(merchant_id, 0), coalesce(streamer_id, 0) FROM providers_binding held"
    " WHERE status = 'confirmed' AND provider_id = ANY(%(providers)s) AND (lead_id IS NOT NULL OR EXISTS"
    " (SELECT FROM providers_binding share WHERE share.lead_id = held.id AND share.status = 'confirmed'))"
)
_FOLLOWING = "SELECT id, merchant_id FROM providers_streamer WHERE merchant_id = ANY(%(merchants)s)"
_BINDINGS = (
    "SELECT coalesce(merchant_id, 0), coalesce(streamer_id, 0), id, coalesce(lead_id, 0),"
    " coalesce(share_bp, 0)::bigint, provider_id, array_position(%(roles)s::text[], role::text)::bigint,"
    " (lower(period) - DATE '2000-01-01')::bigint, coalesce(upper(period) - DATE '2000-01-01', {never})::bigint"
    " FROM providers_binding WHERE status = 'confirmed'"
    " AND (merchant_id = ANY(%(merchants)s) OR streamer_id = ANY(%(rooms)s)) ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Split:
    """Days of one lead binding with the same parties, the lead first; ``began`` is where the turns are counted from."""

    lead: int
    role: str
    lo: int
    hi: int
    parties: tuple[tuple[int, int], ...]  # provider, basis points
    began: int

    @property
    def shares(self) -> tuple[int, ...]:
        """Return the basis points of the parties."""
        return tuple(bp for _, bp in self.parties)

    def within(self, span: Span) -> Split:
        """Return the same split for fewer days."""
        return Split(self.lead, self.role, *span, self.parties, self.began)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a provider has of a subject: one party's place in a split."""

    provider: int
    subject: int
    place: int
    split: Split

    @property
    def bp(self) -> int:
        """Return the part in basis points."""
        return self.split.parties[self.place][1]


@dataclass(frozen=True, slots=True)
class Shared:
    """The splits of every merchant and room that any of some providers shares with others."""

    providers: frozenset[int]
    splits: dict[tuple[Subject, int], list[Split]]

    @classmethod
    def load(cls, providers: Ints) -> Shared:
        """Load the splits of what the providers share."""
        found = fetch(sql.SQL(_SUBJECTS), 2, {"providers": providers.tolist()})
        splits: dict[tuple[Subject, int], list[Split]] = {}
        if len(found):
            merchants = [int(one) for one in np.unique(found[:, 0]) if one]
            followed = dict(fetch(sql.SQL(_FOLLOWING), 2, {"merchants": merchants}).tolist())
            rooms = sorted({int(one) for one in found[:, 1] if one} | followed.keys())
            parameters = {"merchants": merchants, "rooms": rooms, "roles": BindingRole.values}
            query = sql.SQL(_BINDINGS).format(never=sql.Literal(NEVER))
            splits = _splits(fetch(query, 9, parameters).tolist(), followed)
        return cls(frozenset(providers.tolist()), splits)

    def merchants(self) -> list[int]:
        """Return the merchants of which somebody has only a part."""
        return sorted(subject for kind, subject in self.splits if kind == "merchant")

    def leads(self) -> dict[int, list[Split]]:
        """Return the divided days of each lead binding; a room that follows its merchant adds none."""
        found: dict[int, list[Split]] = defaultdict(list)
        of_merchants = {split.lead for (kind, _), own in self.splits.items() if kind == "merchant" for split in own}
        for (kind, _), own in self.splits.items():
            for split in own:
                if len(split.parties) > 1 and (kind == "merchant" or split.lead not in of_merchants):
                    found[split.lead].append(split)
        return found

    def pieces(self, kind: Subject, roles: Sequence[str]) -> list[Piece]:
        """Return the days on which a provider has only a part of a subject, counting the largest part each day."""
        found: list[Piece] = []
        for (about, subject), splits in self.splits.items():
            if about != kind:
                continue
            claims: dict[int, list[Piece]] = defaultdict(list)
            for split in splits:
                for place, (provider, _) in enumerate(split.parties):
                    if provider in self.providers and split.role in roles:
                        claims[provider].append(Piece(provider, subject, place, split))
            for own in claims.values():
                found += _largest(own)
        return found


def _splits(rows: Iterable[list[int]], followed: dict[int, int]) -> dict[tuple[Subject, int], list[Split]]:
    leads: dict[tuple[Subject, int], list[list[int]]] = defaultdict(list)
    children: dict[int, list[list[int]]] = defaultdict(list)
    for row in rows:
        merchant, room, _, lead, *_ = row
        if lead:
            children[lead].append(row)
        else:
            leads["merchant" if merchant else "streamer", merchant or room].append(row)
    splits: dict[tuple[Subject, int], list[Split]] = {
        key: [split for row in found for split in _of_lead(row, children[row[2]])] for key, found in leads.items()
    }
    for room, merchant in followed.items():
        # On days with a binding of its own, in whatever role, a store's room does not follow its merchant.
        own = splits.get(("streamer", room), [])
        bound = union((split.lo, split.hi) for split in own)
        splits["streamer", room] = own + [
            split.within(span)
            for split in splits.get(("merchant", merchant), [])
            for span in less((split.lo, split.hi), bound)
        ]
    return splits


def _of_lead(lead: list[int], shares: list[list[int]]) -> list[Split]:
    """Cut a lead binding's days where a share begins or ends."""
    _, _, key, _, _, provider, role, lo, hi = lead
    cuts = sorted({lo, hi, *(day for share in shares for day in share[7:9] if lo < day < hi)})
    found = []
    for start, end in pairwise(cuts):
        parts = [(share[5], share[4]) for share in shares if share[7] <= start < share[8]]
        rest = WHOLE - sum(bp for _, bp in parts)
        found.append(Split(key, BindingRole.values[role - 1], start, end, ((provider, rest), *parts), start))
    return found


def _largest(claims: list[Piece]) -> list[Piece]:
    """Give each day of a provider and subject to the largest claim; days it has whole are no piece."""
    found: list[Piece] = []
    taken: list[Span] = []
    for piece in sorted(claims, key=lambda one: (-one.bp, BindingRole.values.index(one.split.role), one.split.lo)):
        for span in less((piece.split.lo, piece.split.hi), taken):
            if piece.bp < WHOLE:
                found.append(Piece(piece.provider, piece.subject, piece.place, piece.split.within(span)))
        taken = union([*taken, (piece.split.lo, piece.split.hi)])
    return found


def span_of(pieces: Sequence[Piece], lo: int, hi: int) -> Cover:
    """Return per subject the days of [lo, hi) from its first to its last shared one; its provider is the subject."""
    extent: dict[int, Span] = {}
    for piece in pieces:
        start, end = max(piece.split.lo, lo), min(piece.split.hi, hi)
        if start < end:
            known = extent.get(piece.subject, (start, end))
            extent[piece.subject] = min(known[0], start), max(known[1], end)
    subjects = np.array(sorted(extent), dtype=np.int64)
    ends = np.array([extent[one] for one in sorted(extent)], dtype=np.int64).reshape(-1, 2)
    return Cover(subjects, subjects, ends[:, 0], ends[:, 1])


@dataclass(frozen=True, slots=True)
class Ways:
    """The other way by which a row may reach a provider: its spans, and which of them are only pieces."""

    cover: Cover
    pieces: Sequence[Piece]
    first: bool  # whether it goes first where both give the same part

    def beats(self, piece: Piece, subjects: Ints, days: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell of which rows the other way gives the provider more than the piece does."""
        result = np.zeros(len(subjects), dtype=bool)
        own = self.cover.provider == piece.provider
        for subject, lo, hi in zip(self.cover.subject[own], self.cover.lo[own], self.cover.hi[own], strict=True):
            result |= (subjects == subject) & (days >= lo) & (days < hi)
        for other in self.pieces:
            less_there = other.bp < piece.bp or (other.bp == piece.bp and not self.first)
            if other.provider == piece.provider and less_there:
                here = (subjects == other.subject) & (days >= other.split.lo) & (days < other.split.hi)
                result &= ~here
        return result


def excess(pieces: Sequence[Piece], rows: Ints, other: Ways | None = None) -> Ints:
    """Return (provider, day, subject, −what falls to others…) of rows (subject, other subject, day, values…)."""
    found = [np.zeros((0, rows.shape[1]), dtype=np.int64)]
    order = np.argsort(rows[:, 0], kind="stable")
    sorted_rows = rows[order]
    for piece in pieces:
        block = slice(*np.searchsorted(sorted_rows[:, 0], [piece.subject, piece.subject + 1]))
        mine = sorted_rows[block]
        mine = mine[(mine[:, 2] >= piece.split.lo) & (mine[:, 2] < piece.split.hi)]
        if other is not None and len(mine):
            mine = mine[~other.beats(piece, mine[:, 1], mine[:, 2])]
        if len(mine):
            values = mine[:, 3:]
            part = divided(values.ravel(), piece.split.shares)[piece.place].reshape(values.shape)
            who = np.full(len(mine), piece.provider, dtype=np.int64)
            found.append(np.column_stack([who, mine[:, 2], mine[:, 0], part - values]))
    return np.concatenate(found)


def off_turn(pieces: Iterable[Piece], lo: int, hi: int, since: dict[int, int] | None = None) -> Ints:
    """Return (provider, day) of the shared days in [lo, hi) that are another party's turn; from ``since`` on."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for piece in pieces:
        start = max(piece.split.lo, lo, 0 if since is None else since.get(piece.subject, NEVER))
        end = min(piece.split.hi, hi)
        if start < end:
            whose = turns(piece.split.shares, end - piece.split.began)[start - piece.split.began :]
            days = np.arange(start, end)[whose != piece.place]
            found.append(np.column_stack([np.full(len(days), piece.provider, dtype=np.int64), days]))
    return np.concatenate(found)
