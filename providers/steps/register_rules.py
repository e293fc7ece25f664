"""How register rows become table rows: fields, rules beyond single fields, and the providers a change reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

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

if TYPE_CHECKING:
    from providers.readers.registers import Value

COUNTRY = re.compile(r"[A-Z]{2}")


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
    # Of rows as they say now and of changed ones as they said before.
    reach: Callable[[Iterable[models.Model]], Iterable[tuple[int, date | None]]]


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


def _reach_streamers(rows: Iterable[Any]) -> Iterable[tuple[int, date | None]]:
    """Reach whoever is bound to a streamer, to its store or to a sister account, as it says now and as it said."""
    found = list(rows)
    stores = {row.merchant_id for row in found}
    persons = {row.person for row in found}
    bound_to = (
        {"streamer__in": [row.pk for row in found]},
        {"merchant__in": stores},
        {"streamer__person__in": persons},
    )
    for own in bound_to:
        bound = Binding.objects.confirmed().filter(**own)
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
