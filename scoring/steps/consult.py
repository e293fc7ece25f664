"""Consult: a validated draft is shown to providers for a period; they see their shadow score and comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import MAY, require
from ecosystem.steps.notify import notify
from providers.models import Provider
from providers.models.members import READS_SCORES
from scoring.models import Comment, Consultation, RubricVersion

if TYPE_CHECKING:
    from datetime import date

PAGE = "/consultation/"
Status = RubricVersion.Status


@transaction.atomic(durable=True)
def open_consultation(version_id: int, *, starts_on: date, ends_before: date, note: str, actor: User) -> Consultation:
    """Put a validated draft before the providers for [starts_on, ends_before); their owners and analysts are told."""
    require(actor, "edit_rubric")
    if not note.strip():
        raise InvalidInput(_("Say what changes, and why."))
    if not business_today() <= starts_on < ends_before:
        raise InvalidInput(
            _("The period %(starts)s to %(ends)s must begin today or later and not be empty.")
            % {"starts": starts_on, "ends": ends_before}
        )
    version = RubricVersion.objects.advance(version_id, needs=[Status.VALIDATED], leaves=Status.IN_CONSULTATION)
    consultation = Consultation.objects.create(
        rubric_version=version, starts_on=starts_on, ends_before=ends_before, note=note.strip(), opened_by=actor
    )
    AuditEntry.objects.record(
        Verb.SCORE,
        "open_consultation",
        consultation,
        actor=actor,
        detail={"digest": version.digest, "starts_on": starts_on.isoformat(), "ends_before": ends_before.isoformat()},
    )
    members = User.objects.filter(
        memberships__role__in=READS_SCORES, memberships__provider__in=Provider.objects.active(), is_active=True
    )
    notify(
        members.distinct().order_by("pk"),
        "consultation_opened",
        params={
            "rubric": str(version),
            "starts_on_day": starts_on.isoformat(),
            "ends_before_day": ends_before.isoformat(),
        },
        url=PAGE,
    )
    return consultation


@transaction.atomic(durable=True)
def close_consultation(consultation_id: int, *, actor: User) -> Consultation:
    """End a consultation; its version is a validated draft again, to be changed or published."""
    require(actor, "edit_rubric")
    moved = Consultation.objects.filter(pk=consultation_id, closed_at=None).update(
        closed_at=timezone.now(), closed_by=actor
    )
    consultation = Consultation.objects.select_related("rubric_version").get(pk=consultation_id)
    if not moved:
        raise WrongStatus(_("The consultation is closed already."))
    RubricVersion.objects.advance(
        consultation.rubric_version_id, needs=[Status.IN_CONSULTATION], leaves=Status.VALIDATED
    )
    AuditEntry.objects.record(
        Verb.SCORE, "close_consultation", consultation, actor=actor, detail={"comments": consultation.comments.count()}
    )
    return consultation


@transaction.atomic(durable=True)
def comment(consultation_id: int, *, provider_id: int, text: str, actor: User, node: str = "") -> Comment:
    """Comment on a draft, or on one indicator or capability of it, as an owner or analyst of a provider."""
    consultation = Consultation.objects.select_related("rubric_version").get(pk=consultation_id)
    if not actor.memberships.filter(provider=provider_id, role__in=READS_SCORES).exists():
        raise NotAllowed(_("Comments are written by the owners and analysts of a provider."))
    if not consultation.is_running:
        raise WrongStatus(_("This consultation does not take comments today."))
    if not text.strip():
        raise InvalidInput(_("A comment needs a text."))
    if node and node not in {item.code for item in consultation.rubric_version.as_core().walk()}:
        raise InvalidInput(_("The draft has no indicator or capability %(code)s.") % {"code": node})
    made = Comment.objects.create(
        consultation=consultation, provider_id=provider_id, node=node, text=text.strip(), created_by=actor
    )
    AuditEntry.objects.record(Verb.SCORE, "comment", made, actor=actor, detail={"node": node})
    staff = User.objects.filter(role__in=MAY["edit_rubric"], is_active=True).order_by("pk")
    notify(
        staff,
        "consultation_commented",
        params={"provider": made.provider.name, "rubric": str(consultation.rubric_version)},
        url=reverse("admin:scoring_consultation_change", args=[consultation.pk]),
    )
    return made
