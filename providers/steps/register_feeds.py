"""Apply a register file: companies, merchants, streamers, belts, bases, bindings, documents, cases.

A code that is known is updated in the columns the file delivers; a new one is added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.clock import business_today
from providers.credit_code import is_valid
from providers.models import (
    Base,
    Batch,
    Belt,
    Binding,
    Merchant,
    OperatedSession,
    OperatorCertificate,
    Provider,
    Streamer,
    Violation,
)
from providers.steps.bind_import import BindingRow, import_bindings

if TYPE_CHECKING:
    from ecosystem.models import User
    from providers.readers.columns import Layout
    from providers.readers.registers import RegisterFile, RegisterRow, Value

ROWS_AT_ONCE = 2000
COUNTRY = re.compile(r"[A-Z]{2}")
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


Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Register:
    """How a register's rows become table rows: the code column, the fields, and the rules beyond single fields."""

    model: type[models.Model]
    code: str
    code_field: str
    fields: Callable[[Mapping[str, Value]], Fields]
    new: Callable[[Mapping[str, Value], Batch], Fields]
    faults: Callable[[Mapping[str, Value]], Iterable[tuple[str, str]]]
    reach: Callable[[Iterable[models.Model]], Iterable[tuple[int, date | None]]]


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
            for name in differing:
                setattr(before, name, fields[name])
            changed.append(before)
            changed_fields |= differing
    register.model._default_manager.bulk_create(new, batch_size=ROWS_AT_ONCE)
    if changed:
        register.model._default_manager.bulk_update(changed, sorted(changed_fields), batch_size=ROWS_AT_ONCE)
    first: dict[int, date | None] = {}
    for provider, day in register.reach([*new, *changed]):
        earlier = first.get(provider, day)
        first[provider] = None if day is None or earlier is None else min(day, earlier)
    ledger.mark("roll_up", [(str(provider), day) for provider, day in first.items()], cause=f"batch:{batch.pk}")
    return Applied(len(new), len(changed), len(rows) - len(new) - len(changed))


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


def _provider_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    country, credit_code = str(values.get("country") or "CN"), str(values.get("credit_code") or "")
    if not COUNTRY.fullmatch(country):
        yield "country", _("A country is a code of two capital letters.")
    if credit_code and not is_valid(credit_code):
        yield "credit_code", _("Not a unified social credit code: shape or check character is wrong.")
    if not credit_code and country == "CN":
        yield "credit_code", _("A mainland company needs its unified social credit code.")
    approved_on = values.get("approved_on")
    if isinstance(approved_on, date) and approved_on > business_today():
        yield "approved_on", _("The day is in the future.")


def _merchant_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    if not COUNTRY.fullmatch(str(values.get("country") or "CN")):
        yield "country", _("A country is a code of two capital letters.")


def _base_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    if values.get("status") == Base.Status.AWARDED and not values.get("awarded_on"):
        yield "awarded_on", _("An awarded base needs the day of the award.")


def _certificate_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    starts_on, ends_before = values["starts_on"], values.get("ends_before")
    if isinstance(starts_on, date) and isinstance(ends_before, date) and ends_before <= starts_on:
        yield "ends_before", _("The period must end after it starts.")


def _session_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    day = values["day"]
    if isinstance(day, date) and day > business_today():
        yield "day", _("The day is in the future.")


def _violation_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    opened_on = values["opened_on"]
    if (values.get("status") or Violation.Status.OPEN) != Violation.Status.OPEN and not values.get("decided_on"):
        yield "decided_on", _("A decided case needs the day of the decision.")
    for name in ("opened_on", "decided_on", "closed_on"):
        day = values.get(name)
        if isinstance(day, date) and isinstance(opened_on, date) and not opened_on <= day <= business_today():
            yield name, _("The day is before the case was opened, or in the future.")


def _same(*columns: str, **renamed: str) -> Callable[[Mapping[str, Value]], Fields]:
    """Take columns over under their names, or under others; those the file lacks are left alone."""
    pairs = {**{name: name for name in columns}, **renamed}

    def fields(values: Mapping[str, Value]) -> Fields:
        return {field: values[column] for column, field in pairs.items() if column in values}

    return fields


def _certificate_fields(values: Mapping[str, Value]) -> Fields:
    days: Mapping[str, Any] = values
    fields = _same("person", "level", provider="provider_id")(values)
    return {**fields, "period": DateRange(days["starts_on"], days.get("ends_before"))}


def _approved(values: Mapping[str, Value], batch: Batch) -> Fields:
    """Return what an imported provider stands on: another system approved it, and says where."""
    return {
        "status": Provider.Status.APPROVED,
        "approved_on": values.get("approved_on") or business_today(),
        "decision_reason": values["evidence"],
    }


def _nothing_new(values: Mapping[str, Value], batch: Batch) -> Fields:
    return {}


def _no_faults(values: Mapping[str, Value]) -> Iterable[tuple[str, str]]:
    return ()


def _no_reach(rows: Iterable[models.Model]) -> Iterable[tuple[int, date | None]]:
    return ()


def _reach_self(rows: Iterable[models.Model]) -> Iterable[tuple[int, date | None]]:
    return [(row.pk, None) for row in rows]


def _reach_bound(field: str) -> Callable[[Iterable[models.Model]], Iterable[tuple[int, date | None]]]:
    """Reach every provider ever bound: attributes of a merchant or streamer hold for all days."""

    def reach(rows: Iterable[models.Model]) -> Iterable[tuple[int, date | None]]:
        bound = Binding.objects.confirmed().filter(**{f"{field}__in": [row.pk for row in rows]})
        return [(provider, None) for provider in bound.values_list("provider_id", flat=True).distinct()]

    return reach


def _reach_streamers(rows: Iterable[models.Model]) -> Iterable[tuple[int, date | None]]:
    ids = [row.pk for row in rows]
    through_store = Binding.objects.confirmed().filter(merchant__rooms__in=ids)
    for bound in (Binding.objects.confirmed().filter(streamer__in=ids), through_store):
        yield from ((provider, None) for provider in bound.values_list("provider_id", flat=True).distinct())


def _reach_from(day_of: Callable[[Any], date]) -> Callable[[Iterable[models.Model]], Iterable[tuple[int, date | None]]]:
    def reach(rows: Iterable[models.Model]) -> Iterable[tuple[int, date | None]]:
        return [(row.provider_id, day_of(row)) for row in rows]  # type: ignore[attr-defined]

    return reach


REGISTERS: dict[str, Register] = {
    "belts": Register(
        Belt,
        "belt",
        "code",
        _same("name", "province", "city", "category", "goods", "intensity"),
        _nothing_new,
        _no_faults,
        _no_reach,
    ),
    "bases": Register(
        Base,
        "base",
        "code",
        _same("name", "province", "city", "status", "awarded_on", belt="belt_id", operated_by="operated_by_id"),
        _nothing_new,
        _base_faults,
        _no_reach,
    ),
    "providers": Register(
        Provider,
        "provider",
        "code",
        _same(
            "name",
            "category",
            "goods_category",
            "country",
            "credit_code",
            "province",
            "city",
            "contact_name",
            "contact_email",
            "contact_phone",
            "legal_person",
            "distribution_declared",
            belt="belt_id",
        ),
        _approved,
        _provider_faults,
        _reach_self,
    ),
    "merchants": Register(
        Merchant,
        "merchant",
        "code",
        _same("name", "category", "country", "province", "city", "contact_email", "opened_on", belt="belt_id"),
        _nothing_new,
        _merchant_faults,
        _reach_bound("merchant"),
    ),
    "streamers": Register(
        Streamer,
        "streamer",
        "code",
        _same("name", "person", "category", "province", "followers", "contact_email", merchant="merchant_id"),
        _nothing_new,
        _no_faults,
        _reach_streamers,
    ),
    "operated_sessions": Register(
        OperatedSession,
        "session",
        "code",
        _same(
            "operator",
            "day",
            "registered_hours_ahead",
            "gmv_strict_fen",
            "baseline_fen",
            "baseline_sessions",
            "day_index_bp",
            "fell_below_after",
            provider="provider_id",
            streamer="streamer_id",
        ),
        lambda values, batch: {"batch": batch},
        _session_faults,
        _reach_from(lambda row: row.day),
    ),
    "operator_certificates": Register(
        OperatorCertificate,
        "certificate",
        "number",
        _certificate_fields,
        _nothing_new,
        _certificate_faults,
        _reach_from(lambda row: row.period.lower),
    ),
    "violations": Register(
        Violation,
        "violation",
        "code",
        _same("kind", "severity", "status", "opened_on", "decided_on", "closed_on", "note", provider="provider_id"),
        _nothing_new,
        _violation_faults,
        _reach_from(lambda row: row.opened_on),
    ),
}
