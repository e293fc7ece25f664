"""Take confirmed bindings over from an import that carries the evidence of consent: all of them, or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import attrgetter

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem import ledger
from providers.choices import BindingRole
from providers.errors import RowFault
from providers.models import Batch, Binding
from providers.steps.beside import mark_beside
from providers.steps.change_binding import clip_shares, hold_subjects
from providers.steps.copy_in import copy_in
from providers.steps.share_import import place_shares

ROWS_AT_ONCE = 2000
UPDATED = ("period", "term_ends_on", "renewed_on", "related_party", "share_bp", "evidence")
type Key = tuple[int, int | None, int | None, str, date]


@dataclass(frozen=True, slots=True)
class BindingRow:
    """One row of the bindings register; ``row`` is its line in the file, the period is half-open.

    With ``lead_provider_id`` it is a share, in basis points, of what that provider's binding holds.
    """

    row: int
    provider_id: int
    merchant_id: int | None
    streamer_id: int | None
    role: str
    starts_on: date
    ends_before: date | None
    evidence: str
    term_ends_on: date | None = None
    renewed_on: date | None = None
    related_party: bool = False
    lead_provider_id: int | None = None
    share_bp: int | None = None

    @property
    def key(self) -> Key:
        """Return what makes it the same binding when it is delivered again."""
        return (self.provider_id, self.merchant_id, self.streamer_id, self.role, self.starts_on)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows; with any fault nothing was applied."""

    faults: list[RowFault] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    same: int = 0


@transaction.atomic
def import_bindings(rows: Sequence[BindingRow], *, batch: Batch) -> Imported:
    """Add or update confirmed bindings by provider, subject, role and first day; an overlap is reported per row.

    Shares come after the bindings of the file, which may be their leads; a share that stands is changed from a row's
    first day on (``share_import.py``).
    """
    leads = [row for row in rows if row.lead_provider_id is None]
    shares = [row for row in rows if row.lead_provider_id is not None]
    faults = [fault for row in rows for fault in _shape_faults(row)] or _overlaps_inside(leads)
    if faults:
        return Imported(faults)
    hold_subjects((row.merchant_id for row in rows), (row.streamer_id for row in rows))
    known = _known(leads)
    faults = _overlaps_outside(leads, known)
    if faults:
        return Imported(faults)
    done = _apply(leads, known, {}, batch)
    if not shares:
        return done
    placed = place_shares(shares)
    if placed.faults:
        transaction.set_rollback(True)
        return Imported(placed.faults)
    for share, day in placed.ended.items():
        share.period = DateRange(share.period.lower, day)
    Binding.objects.bulk_update(placed.ended, ["period"], batch_size=ROWS_AT_ONCE)
    more = _apply(placed.rows, placed.known, placed.leads, batch)
    fresh, changed = more.added - len(placed.replacing), more.changed + len(placed.replacing)
    return Imported([], done.added + fresh, done.changed + changed, done.same + more.same)


def _apply(
    rows: Sequence[BindingRow], known: Mapping[Key, Binding], leads: Mapping[Key, int], batch: Batch
) -> Imported:
    fresh = [row for row in rows if row.key not in known]
    differing = [(known[row.key], row) for row in rows if row.key in known and _differs(known[row.key], row)]
    _update(differing)
    clipped = [(binding.pk, row.ends_before) for binding, row in differing if row.ends_before is not None]
    if clipped:
        clip_shares([pk for pk, _ in clipped], min(day for _, day in clipped), f"batch {batch.pk}")
    _insert(fresh, leads, batch)
    _mark(fresh, differing, batch)
    return Imported(added=len(fresh), changed=len(differing), same=len(rows) - len(fresh) - len(differing))


def _shape_faults(row: BindingRow) -> Iterable[RowFault]:
    if (row.merchant_id is None) == (row.streamer_id is None):
        yield RowFault(row.row, "merchant", "", _("Name either a merchant or a streamer."))
    if row.role not in BindingRole.values:
        yield RowFault(
            row.row, "role", row.role, _("Known roles: %(roles)s.") % {"roles": ", ".join(BindingRole.values)}
        )
    if row.ends_before is not None and row.ends_before <= row.starts_on:
        yield RowFault(row.row, "ends_before", row.ends_before.isoformat(), _("The period must end after it starts."))
    if (row.lead_provider_id is None) != (row.share_bp is None):
        column = "lead" if row.lead_provider_id is None else "share_bp"
        yield RowFault(row.row, column, "", _("A share names the provider it is of and the basis points."))
    elif row.lead_provider_id == row.provider_id:
        yield RowFault(row.row, "lead", "", _("A share is for another provider than the lead."))
    if not row.evidence.strip():
        yield RowFault(row.row, "evidence", "", _("A binding needs the evidence of the other side's consent."))


def _overlaps_inside(rows: Sequence[BindingRow]) -> list[RowFault]:
    """Find rows of the file that claim the same day of the same subject and role."""
    faults: list[RowFault] = []
    by_subject: dict[tuple[int | None, int | None, str], list[BindingRow]] = defaultdict(list)
    for row in rows:
        by_subject[row.merchant_id, row.streamer_id, row.role].append(row)
    for group in by_subject.values():
        if len(group) == 1:
            continue
        group.sort(key=attrgetter("starts_on", "row"))
        last = group[0]
        for row in group[1:]:
            if last.ends_before is None or row.starts_on < last.ends_before:
                faults.append(
                    RowFault(
                        row.row,
                        "starts_on",
                        row.starts_on.isoformat(),
                        _("Overlaps line %(line)s of this file: same subject and role, %(period)s.")
                        % {"line": last.row, "period": _period_text(last.starts_on, last.ends_before)},
                    )
                )
            if last.ends_before is not None and (row.ends_before is None or row.ends_before > last.ends_before):
                last = row
    return faults


def _known(rows: Sequence[BindingRow]) -> dict[Key, Binding]:
    """Return the confirmed bindings these rows speak of again."""
    found = (
        Binding.objects.confirmed()
        .leads()
        .filter(provider__in={row.provider_id for row in rows}, period__startswith__in={row.starts_on for row in rows})
    )
    wanted = {row.key for row in rows}
    keyed = (((b.provider_id, b.merchant_id, b.streamer_id, b.role, b.period.lower), b) for b in found.iterator())
    return {key: binding for key, binding in keyed if key in wanted}


def _overlaps_outside(rows: Sequence[BindingRow], known: dict[Key, Binding]) -> list[RowFault]:
    """Find rows that claim days another confirmed binding holds; bindings the file updates count as updated."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT asked.line, asked.starts_on, provider.code, provider.name, lower(held.period), upper(held.period)"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::date[], %s::date[])"
            "   AS asked(line, merchant_id, streamer_id, role, starts_on, ends_before)"
            " JOIN providers_binding held ON held.status = 'confirmed' AND held.lead_id IS NULL"
            "   AND held.role = asked.role"
            "   AND (held.merchant_id = asked.merchant_id OR held.streamer_id = asked.streamer_id)"
            "   AND held.period && daterange(asked.starts_on, asked.ends_before)"
            " JOIN providers_provider provider ON provider.id = held.provider_id"
            " WHERE held.id <> ALL(%s::bigint[]) ORDER BY asked.line, lower(held.period), held.id",
            [
                [row.row for row in rows],
                [row.merchant_id for row in rows],
                [row.streamer_id for row in rows],
                [row.role for row in rows],
                [row.starts_on for row in rows],
                [row.ends_before for row in rows],
                [binding.pk for binding in known.values()],
            ],
        )
        taken = cursor.fetchall()
    return [
        RowFault(
            line,
            "starts_on",
            starts_on.isoformat(),
            _("Taken by %(name)s (%(code)s) in this role, %(period)s.")
            % {"name": name, "code": code, "period": _period_text(lower, upper)},
        )
        for line, starts_on, code, name, lower, upper in taken
    ]


def _differs(binding: Binding, row: BindingRow) -> bool:
    kept = binding.period.upper, binding.term_ends_on, binding.renewed_on, binding.related_party, binding.share_bp
    return kept != (row.ends_before, row.term_ends_on, row.renewed_on, row.related_party, row.share_bp)


def _update(differing: Sequence[tuple[Binding, BindingRow]]) -> None:
    """Write what rows say, what gets shorter first, so that no moment has an overlap the end has not."""
    shorter: list[tuple[Binding, BindingRow]] = []
    other: list[tuple[Binding, BindingRow]] = []
    for binding, row in differing:
        old, new = binding.period.upper, row.ends_before
        (shorter if new is not None and (old is None or new < old) else other).append((binding, row))
    for group in (shorter, other):
        changed = [
            Binding(
                pk=binding.pk,
                period=DateRange(row.starts_on, row.ends_before),
                term_ends_on=row.term_ends_on,
                renewed_on=row.renewed_on,
                related_party=row.related_party,
                share_bp=row.share_bp,
                evidence=row.evidence,
            )
            for binding, row in group
        ]
        Binding.objects.bulk_update(changed, UPDATED, batch_size=ROWS_AT_ONCE)


def _insert(rows: Sequence[BindingRow], leads: Mapping[Key, int], batch: Batch) -> None:
    now = timezone.now()
    copy_in(
        [
            Binding(
                provider_id=row.provider_id,
                merchant_id=row.merchant_id,
                streamer_id=row.streamer_id,
                role=row.role,
                period=DateRange(row.starts_on, row.ends_before),
                status=Binding.Status.CONFIRMED,
                term_ends_on=row.term_ends_on,
                renewed_on=row.renewed_on,
                related_party=row.related_party,
                lead_id=leads.get(row.key),
                share_bp=row.share_bp,
                confirmed_at=now,
                evidence=row.evidence,
                batch=batch,
            )
            for row in rows
        ]
    )


def _mark(fresh: Sequence[BindingRow], differing: Sequence[tuple[Binding, BindingRow]], batch: Batch) -> None:
    """Mark each provider from its earliest day touched: a new binding's first day, a moved end's earlier one."""
    first: dict[int, date] = {}
    touched = [(row.provider_id, row.starts_on) for row in fresh]
    rows = list(fresh)
    for binding, row in differing:
        rows.append(row)
        ends = [day for day in (binding.period.upper, row.ends_before) if day is not None]
        moved = binding.period.upper != row.ends_before and binding.share_bp == row.share_bp
        touched.append((row.provider_id, min(ends) if moved else row.starts_on))
    for provider_id, day in touched:
        first[provider_id] = min(day, first.get(provider_id, day))
    ledger.mark("roll_up", [(str(one), day) for one, day in first.items()], cause=f"batch {batch.pk}")
    subjects = [
        ("merchant", row.merchant_id, day) if row.merchant_id else ("streamer", row.streamer_id or 0, day)
        for row, (_, day) in zip(rows, touched, strict=True)
    ]
    mark_beside(subjects, cause=f"batch {batch.pk}")


def _period_text(starts_on: date, ends_before: date | None) -> str:
    last = (ends_before - timedelta(days=1)).isoformat() if ends_before else _("open end")
    return f"{starts_on.isoformat()} – {last}"
