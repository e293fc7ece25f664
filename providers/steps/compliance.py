"""Violation cases: opened, decided, closed or annulled by governance."""

from __future__ import annotations

import secrets
from datetime import date
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import require
from ecosystem.steps.notify import notify
from providers import credit_code, reading
from providers.models import Provider, Violation

Status = Violation.Status
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


@transaction.atomic(durable=True)
def open_violation(
    provider_id: int,
    *,
    kind: str,
    severity: str,
    note: str,
    opened_on: date | None = None,
    actor: User,
) -> Violation:
    """Open a case against a provider; an open grave one caps its grade."""
    require(actor, "decide_violation")
    provider = Provider.objects.get(pk=provider_id)
    today = business_today()
    day = opened_on or today
    if day > today:
        raise InvalidInput(_("A case cannot be opened in the future (%(day)s).") % {"day": day})
    if kind not in Violation.Kind.values or severity not in Violation.Severity.values:
        raise InvalidInput(_("Choose a kind and a severity from the rule's lists."))
    violation = Violation.objects.create(
        code=f"V{day:%Y%m%d}-" + "".join(secrets.choice(credit_code.ALPHABET) for _place in range(6)),
        provider=provider,
        kind=kind,
        severity=severity,
        opened_on=day,
        note=note,
    )
    _record("open_violation", violation, actor=actor, detail=_detail(violation))
    _changed(violation, "open_violation")
    notify(
        reading.owners(provider),
        "violation_recorded",
        params={"provider": provider.name, "violation": f"{violation.code} {violation.get_kind_display()}"},
    )
    return violation


@transaction.atomic(durable=True)
def decide_violation(violation_id: int, *, severity: str, note: str = "", actor: User) -> Violation:
    """Find that the violation happened, and how grave it was."""
    if severity not in Violation.Severity.values:
        raise InvalidInput(_("Choose a severity from the rule's list."))
    return _move(
        violation_id,
        "decide_violation",
        needs=[Status.OPEN],
        note=note,
        actor=actor,
        status=Status.DECIDED,
        severity=severity,
        decided_on=business_today(),
        decided_by=actor,
    )


@transaction.atomic(durable=True)
def close_violation(violation_id: int, *, note: str = "", actor: User) -> Violation:
    """Close a decided case: what it asked for has been done."""
    return _move(
        violation_id,
        "close_violation",
        needs=[Status.DECIDED],
        note=note,
        actor=actor,
        unclosed=True,
        closed_on=business_today(),
    )


@transaction.atomic(durable=True)
def annul_violation(violation_id: int, *, reason: str, actor: User) -> Violation:
    """Annul a case: it never happened, and no score may count it."""
    if not reason.strip():
        raise InvalidInput(_("Say why the case is annulled."))
    today = business_today()
    return _move(
        violation_id,
        "annul_violation",
        needs=[Status.OPEN, Status.DECIDED],
        note=reason,
        actor=actor,
        status=Status.ANNULLED,
        decided_on=today,
        decided_by=actor,
        closed_on=today,
    )


def _move(
    violation_id: int,
    action: str,
    *,
    needs: list[Violation.Status],
    note: str,
    actor: User,
    unclosed: bool = False,
    **values: object,
) -> Violation:
    require(actor, "decide_violation")
    cases = Violation.objects.filter(pk=violation_id, status__in=needs)
    if unclosed:
        cases = cases.filter(closed_on__isnull=True)
    moved = cases.update(**values, **({"note": note.strip()} if note.strip() else {"note": F("note")}))
    violation = Violation.objects.select_related("provider").get(pk=violation_id)
    if not moved:
        raise WrongStatus(
            _("Case %(code)s is “%(status)s”%(closed)s; this step does not start from there.")
            % {
                "code": violation.code,
                "status": violation.get_status_display(),
                "closed": _(" and closed") if violation.closed_on else "",
            }
        )
    _record(action, violation, actor=actor, detail=_detail(violation))
    _changed(violation, action)
    return violation


def _detail(violation: Violation) -> dict[str, object]:
    return {
        "provider": violation.provider_id,
        "kind": violation.kind,
        "severity": violation.severity,
        "note": violation.note,
    }


def _changed(violation: Violation, cause: str) -> None:
    ledger.mark("roll_up", [(str(violation.provider_id), violation.opened_on)], cause=cause)
