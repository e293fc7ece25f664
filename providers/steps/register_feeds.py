"""Apply a register file: companies, merchants, streamers, belts, bases, bindings, documents, cases.

A code that is known is updated in the columns the file delivers; a new one is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext as _

from ecosystem import ledger
from providers.models import (
    Batch,
    Belt,
    Merchant,
    Provider,
    Streamer,
)
from providers.steps.bind_import import BindingRow, import_bindings
from providers.steps.copy_in import copy_in
from providers.steps.register_rules import REGISTERS, Register

if TYPE_CHECKING:
    from ecosystem.models import User
    from providers.readers.columns import Layout
    from providers.readers.registers import RegisterFile, RegisterRow

ROWS_AT_ONCE = 2000
REFERRED: dict[str, type[models.Model]] = {
    "belt": Belt,
    "provider": Provider,
    "merchant": Merchant,
    "streamer": Streamer,
}


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the rows."""

    added: int = 0
    changed: int = 0
    same: int = 0


def register_codes(layout: Layout) -> dict[str, dict[str, int]]:
    """Return code → row id of every register the layout refers to."""
    wanted = {column.refers for column in layout.columns if column.refers}
    return {name: dict(REFERRED[name]._default_manager.values_list("code", "id")) for name in sorted(wanted)}


def apply_register(batch: Batch, file: RegisterFile, actor: User | None) -> Applied:
    """Add and update the file's rows; new faults mean that the caller rolls back."""
    if file.layout.feed == "bindings":
        return _apply_bindings(batch, file)
    register = REGISTERS[file.layout.feed]
    for row in file.rows:
        for column, reason in register.faults(row.values):
            file.faults.add(row.line, column, str(row.values.get(column) or ""), reason)
    if register.model is Provider:
        _name_known_companies(file)
    return Applied() if file.faults else _upsert(register, batch, file.rows)


def _upsert(register: Register, batch: Batch, rows: list[RegisterRow]) -> Applied:
    known = {
        getattr(row, register.code_field): row
        for row in register.model._default_manager.filter(
            **{f"{register.code_field}__in": [row.values[register.code] for row in rows]}
        )
    }
    new: list[models.Model] = []
    changed: list[models.Model] = []
    replaced: list[models.Model] = []
    changed_fields: set[str] = set()
    for row in rows:
        fields = {name: _or_default(register.model, name, value) for name, value in register.fields(row.values).items()}
        before = known.get(row.values[register.code])
        if before is None:
            new.append(
                register.model(
                    **{register.code_field: row.values[register.code]}, **fields, **register.new(row.values, batch)
                )
            )
            continue
        differing = {name for name, value in fields.items() if getattr(before, name) != value}
        if differing:
            replaced.append(copy(before))
            for name in differing:
                setattr(before, name, fields[name])
            changed.append(before)
            changed_fields |= differing
    _insert(register, new)
    if changed:
        register.model._default_manager.bulk_update(changed, sorted(changed_fields), batch_size=ROWS_AT_ONCE)
    first: dict[int, date | None] = {}
    for provider, day in register.reach([*new, *changed, *replaced]):
        earlier = first.get(provider, day)
        first[provider] = None if day is None or earlier is None else min(day, earlier)
    ledger.mark("roll_up", [(str(provider), day) for provider, day in first.items()], cause=f"batch:{batch.pk}")
    return Applied(len(new), len(changed), len(rows) - len(new) - len(changed))


def _insert(register: Register, new: list[models.Model]) -> None:
    """Write new rows and give each its id."""
    copy_in(new)
    codes = [getattr(row, register.code_field) for row in new]
    ids = dict(
        register.model._default_manager.filter(**{f"{register.code_field}__in": codes}).values_list(
            register.code_field, "pk"
        )
    )
    for row, code in zip(new, codes, strict=True):
        row.pk = ids[code]


def _or_default(model: type[models.Model], name: str, value: object) -> object:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field.get_default() if value is None or value == "" else value


def _apply_bindings(batch: Batch, file: RegisterFile) -> Applied:
    done = import_bindings([_binding(row) for row in file.rows], batch=batch)
    for fault in done.faults:
        file.faults.add(fault.row, fault.column, fault.found, fault.reason)
    return Applied(done.added, done.changed, done.same)


def _binding(row: RegisterRow) -> BindingRow:
    values: Mapping[str, Any] = row.values
    return BindingRow(
        row=row.line,
        provider_id=values["provider"],
        merchant_id=values.get("merchant"),
        streamer_id=values.get("streamer"),
        role=values["role"],
        starts_on=values["starts_on"],
        ends_before=values.get("ends_before"),
        evidence=values["evidence"],
        term_ends_on=values.get("term_ends_on"),
        renewed_on=values.get("renewed_on"),
        related_party=values.get("related_party") or False,
        lead_provider_id=values.get("lead"),
        share_bp=values.get("share_bp"),
    )


def _name_known_companies(file: RegisterFile) -> None:
    """Name rows whose credit code another living provider has."""
    gone = [Provider.Status.DRAFT, Provider.Status.REJECTED, Provider.Status.WITHDRAWN, Provider.Status.EXPELLED]
    codes = {row.values.get("credit_code") or "" for row in file.rows} - {""}
    taken = dict(
        Provider.objects.filter(credit_code__in=codes).exclude(status__in=gone).values_list("credit_code", "code")
    )
    for row in file.rows:
        credit_code, code = str(row.values.get("credit_code") or ""), str(row.values["provider"])
        if not credit_code:
            continue
        holder = taken.setdefault(credit_code, code)
        if holder != code:
            file.faults.add(
                row.line,
                "credit_code",
                credit_code,
                _("The provider %(code)s has this credit code.") % {"code": holder},
            )
