"""Register a provider: apply, review, approve, watch, part."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import Role, require
from ecosystem.steps.notify import notify
from providers import credit_code, reading
from providers.choices import ProviderCategory
from providers.errors import ApplicationIncomplete, CompanyKnown, SilentPeriod
from providers.models import Membership, Provider, Qualification, Violation
from providers.models.members import MemberRole
from providers.steps import bind
from providers.steps.members import invite_into, require_owner

# The entry rule in force since 16 Dec 2022 sets a silent period after two rejections and leaves its length to the
# platform; half a year is this portal's choice (docs/flow.md#register).
REJECTIONS_BEFORE_SILENCE = 2
# A company hears within two weeks of handing in (own judgement).
REVIEW_DAYS = 14
SILENT_DAYS = 180

Status = Provider.Status
OPEN_TO_APPLICANT = (Status.DRAFT, Status.RETURNED, Status.REJECTED)
APPLYING = (*OPEN_TO_APPLICANT, Status.SUBMITTED, Status.IN_REVIEW)
WORKING = (Status.APPROVED, Status.SUSPENDED)
WRITABLE = frozenset(
    {
        "name",
        "category",
        "goods_category",
        "country",
        "credit_code",
        "province",
        "city",
        "belt",
        "introduction",
        "contact_name",
        "contact_email",
        "contact_phone",
        "legal_person",
        "bank_account_digest",
        "distribution_declared",
    }
)
_TAKEN = gettext_lazy("A provider with this credit code is already registered or has applied.")
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


@transaction.atomic(durable=True)
def draft(*, name: str, category: ProviderCategory, actor: User) -> Provider:
    """Start an application of one's own; whoever starts it is its owner."""
    if actor.role != Role.PROVIDER or not actor.is_active:
        raise NotAllowed(_("Only people outside the platform apply; staff invite a company."))
    User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    open_one = Provider.objects.filter(memberships__user=actor, status__in=APPLYING).first()
    if open_one is not None:
        raise WrongStatus(_("Your application for %(name)s is still open; finish it first.") % {"name": open_one.name})
    provider = Provider.objects.create(code=_new_code(), name=name, category=category)
    Membership.objects.create(user=actor, provider=provider, role=MemberRole.OWNER)
    _record("draft", provider, actor=actor)
    return provider


@transaction.atomic(durable=True)
def invite(*, name: str, category: ProviderCategory, email: str, actor: User, code: str = "") -> Provider:
    """Start a company's application for it and mail its owner an invitation; ``code`` is its credit code if known."""
    require(actor, "invite_provider")
    code = credit_code.normalised(code)
    if code and not credit_code.is_valid(code):
        raise InvalidInput(_("%(code)s is not a unified social credit code.") % {"code": code})
    known = Provider.objects.filter(credit_code=code, status__in=[*APPLYING, *WORKING]).first() if code else None
    if known is not None:
        raise CompanyKnown(
            _("%(name)s already has this credit code; its status is “%(status)s”.")
            % {"name": known.name, "status": known.get_status_display()}
        )
    provider = Provider.objects.create(code=_new_code(), name=name, category=category, credit_code=code)
    _record("invite", provider, actor=actor, detail=_recognition(provider))
    invite_into(provider, email=email, role=MemberRole.OWNER, actor=actor)
    return provider


@transaction.atomic(durable=True)
def save_application(provider_id: int, *, values: Mapping[str, object], actor: User) -> Provider:
    """Keep what the applicant has filled in so far; nothing has to be complete yet."""
    require_owner(actor, provider_id)
    foreign = values.keys() - WRITABLE
    if foreign:
        raise InvalidInput(_("An application has no such field: %(names)s.") % {"names": ", ".join(sorted(foreign))})
    code = values.get("credit_code")
    if code and not credit_code.is_valid(str(code)):
        raise InvalidInput(_("%(code)s is not a unified social credit code.") % {"code": code})
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if provider.status not in OPEN_TO_APPLICANT:
        raise WrongStatus(
            _("The application is “%(status)s” and cannot be changed now.") % {"status": provider.get_status_display()}
        )
    changed = sorted(name for name, value in values.items() if getattr(provider, name) != value)
    for name in changed:
        setattr(provider, name, values[name])
    if provider.status != Status.DRAFT and provider.country == "CN" and not provider.credit_code:
        raise InvalidInput(_("A mainland company keeps its credit code in an application that was submitted."))
    if changed:
        try:
            with transaction.atomic():
                provider.save(update_fields=changed)
        except IntegrityError as error:
            raise CompanyKnown(_TAKEN) from error
        _record("save_application", provider, actor=actor, detail={"changed": changed})
    return provider


@transaction.atomic(durable=True)
def submit(provider_id: int, *, actor: User) -> Provider:
    """Hand the application to the reviewers; a company in its silent period is refused."""
    require_owner(actor, provider_id)
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    missing = reading.missing_for_submission(provider)
    if missing:
        raise ApplicationIncomplete(
            _("Still missing: %(names)s.") % {"names": ", ".join(missing)}, detail={"missing": missing}
        )
    silent = reading.silent(provider)
    if silent is not None and silent.silent_until is not None:
        raise SilentPeriod(
            _(
                "This company was turned down twice and may apply again from %(day)s; "
                "until then applications are not taken."
            )
            % {"day": silent.silent_until.isoformat()},
            detail={"silent_until": silent.silent_until.isoformat()},
        )
    try:
        with transaction.atomic():
            provider = Provider.objects.advance(
                provider_id, needs=OPEN_TO_APPLICANT, leaves=Status.SUBMITTED, submitted_at=timezone.now()
            )
    except IntegrityError as error:
        raise CompanyKnown(_TAKEN) from error
    _record("submit", provider, actor=actor, detail=_recognition(provider))
    notify(
        User.objects.filter(role=Role.REVIEW, is_active=True),
        "application_waiting",
        params={"provider": provider.name},
        url=reverse("admin:providers_provider_change", args=[provider.pk]),
    )
    return provider


@transaction.atomic(durable=True)
def take_up(provider_id: int, *, actor: User) -> Provider:
    """Begin the review of a submitted application."""
    require(actor, "review_application")
    provider = Provider.objects.advance(provider_id, needs=[Status.SUBMITTED], leaves=Status.IN_REVIEW)
    _record("take_up", provider, actor=actor)
    return provider


@transaction.atomic(durable=True)
def return_for_completion(provider_id: int, *, reason: str, actor: User) -> Provider:
    """Give the application back to its owner, saying what is missing."""
    require(actor, "review_application")
    return _decide(provider_id, "return_for_completion", Status.RETURNED, "application_returned", reason, actor)


@transaction.atomic(durable=True)
def reject(provider_id: int, *, reason: str, actor: User) -> Provider:
    """Turn the application down; every second time the company's silent period begins."""
    require(actor, "review_application")
    held = Provider.objects.get(pk=provider_id)
    # Two applications of one company turned down at once must count two: hold them all, in one order.
    list(reading.same_company(held).select_for_update(no_key=True).order_by("pk"))
    total = reading.rejections(held) + 1
    silent_until = (
        business_today() + timedelta(days=SILENT_DAYS) if total % REJECTIONS_BEFORE_SILENCE == 0 else held.silent_until
    )
    return _decide(
        provider_id,
        "reject",
        Status.REJECTED,
        "application_rejected",
        reason,
        actor,
        rejections=F("rejections") + 1,
        silent_until=silent_until,
    )


@transaction.atomic(durable=True)
def approve(provider_id: int, *, actor: User) -> Provider:
    """Approve the application; every document must be decided and a valid business licence accepted."""
    require(actor, "review_application")
    today = business_today()
    provider = Provider.objects.advance(
        provider_id, needs=[Status.IN_REVIEW], leaves=Status.APPROVED, approved_on=today, decision_reason=""
    )
    documents = Qualification.objects.filter(provider=provider)
    if waiting := documents.filter(status=Qualification.Status.PENDING).order_by("pk"):
        named = " / ".join(str(document.get_kind_display()) for document in waiting)
        raise ApplicationIncomplete(_("Not decided yet: %(documents)s.") % {"documents": named})
    licences = documents.filter(
        kind=Qualification.Kind.BUSINESS_LICENCE, status=Qualification.Status.ACCEPTED, valid_from__lte=today
    )
    if not licences.exclude(valid_until__lt=today).exists():
        raise ApplicationIncomplete(_("There is no accepted business licence that is valid today."))
    _record("approve", provider, actor=actor, detail=_recognition(provider))
    ledger.mark("roll_up", [(str(provider.pk), None)], cause="approve")
    notify(
        reading.owners(provider),
        "application_approved",
        params={"provider": provider.name},
        url=reverse("providers:home"),
    )
    return provider


@transaction.atomic(durable=True)
def suspend(provider_id: int, *, reason: str, actor: User) -> Provider:
    """Suspend a working provider; its bindings stay."""
    require(actor, "suspend_provider")
    return _watch(provider_id, "suspend", [Status.APPROVED], Status.SUSPENDED, "provider_suspended", reason, actor)


@transaction.atomic(durable=True)
def resume(provider_id: int, *, reason: str = "", actor: User) -> Provider:
    """Lift a suspension."""
    require(actor, "suspend_provider")
    return _watch(provider_id, "resume", [Status.SUSPENDED], Status.APPROVED, "provider_resumed", reason, actor)


@transaction.atomic(durable=True)
def expel(provider_id: int, *, reason: str, actor: User) -> Provider:
    """Remove a provider for good; its bindings end today and its people are recognised when they come back."""
    require(actor, "suspend_provider")
    provider = _watch(
        provider_id, "expel", WORKING, Status.EXPELLED, "provider_expelled", reason, actor, ended_on=business_today()
    )
    bind.end_all(provider, ends_before=business_today(), cause="expel")
    return provider


@transaction.atomic(durable=True)
def withdraw(provider_id: int, *, actor: User, reason: str = "") -> Provider:
    """Leave of one's own accord, as an applicant or as a provider without an open violation."""
    require_owner(actor, provider_id)
    held = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if Violation.objects.filter(provider=held, status=Violation.Status.OPEN).exists():
        raise WrongStatus(_("A violation case is open; you can leave once it is decided."))
    provider = _watch(
        provider_id,
        "withdraw",
        (*APPLYING, *WORKING),
        Status.WITHDRAWN,
        "provider_withdrawn",
        reason,
        actor,
        ended_on=business_today(),
    )
    bind.end_all(provider, ends_before=business_today(), cause="withdraw")
    return provider


def _new_code() -> str:
    return "SP" + "".join(secrets.choice(credit_code.ALPHABET) for _place in range(8))


def _recognition(provider: Provider) -> dict[str, object]:
    """Say for the audit trail whom this company is recognised as."""
    found = [
        {"provider": one.provider.pk, "name": one.provider.name, "status": one.provider.status, "by": list(one.by)}
        for one in reading.recognised(provider)
    ]
    return {"recognised": found} if found else {}


def _decide(
    provider_id: int, action: str, leaves: Provider.Status, kind: str, reason: str, actor: User, **values: object
) -> Provider:
    if not reason.strip():
        raise InvalidInput(_("Say why: the applicant reads it."))
    provider = Provider.objects.advance(
        provider_id, needs=[Status.IN_REVIEW], leaves=leaves, decision_reason=reason.strip(), **values
    )
    detail: dict[str, object] = {"reason": provider.decision_reason}
    if provider.silent_until is not None:
        detail["silent_until"] = provider.silent_until.isoformat()
    _record(action, provider, actor=actor, detail=detail)
    notify(
        reading.owners(provider),
        kind,
        params={"provider": provider.name, "reason": provider.decision_reason},
        url=reverse("providers:application"),
    )
    return provider


def _watch(
    provider_id: int,
    action: str,
    needs: Collection[Provider.Status],
    leaves: Provider.Status,
    kind: str,
    reason: str,
    actor: User,
    **values: object,
) -> Provider:
    text = reason.strip()
    if not text and leaves in (Status.SUSPENDED, Status.EXPELLED):
        raise InvalidInput(_("Say why: the provider reads it."))
    provider = Provider.objects.advance(provider_id, needs=needs, leaves=leaves, decision_reason=text, **values)
    _record(action, provider, actor=actor, detail={"reason": text})
    ledger.mark("roll_up", [(str(provider.pk), business_today())], cause=action)
    notify(
        reading.owners(provider),
        kind,
        params={"provider": provider.name, "reason": text},
        url=reverse("providers:application"),
    )
    return provider
