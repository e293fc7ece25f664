"""Documents of a provider: handed in by its owner, decided by a reviewer."""

from __future__ import annotations

from datetime import date
from functools import partial

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import require
from ecosystem.steps.notify import notify
from providers import documents, reading
from providers.models import Provider, Qualification
from providers.steps.members import require_owner

MOST_WAITING = 30  # documents of one provider nobody has decided yet
Status = Qualification.Status
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


@transaction.atomic(durable=True)
def add_qualification(
    provider_id: int,
    *,
    kind: Qualification.Kind,
    valid_from: date,
    valid_until: date | None = None,
    number: str = "",
    issuer: str = "",
    file: UploadedFile[bytes] | None = None,
    actor: User,
) -> Qualification:
    """Hand in a document; it waits for a reviewer."""
    require_owner(actor, provider_id)
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if provider.status in reading.ENDED:
        raise WrongStatus(
            _("%(name)s is “%(status)s”.") % {"name": provider.name, "status": provider.get_status_display()}
        )
    if valid_until is not None and valid_until < valid_from:
        raise InvalidInput(_("The document cannot expire before it becomes valid."))
    if provider.qualifications.filter(status=Status.PENDING).count() >= MOST_WAITING:
        raise InvalidInput(_("%(limit)s documents wait for review already.") % {"limit": MOST_WAITING})
    document = Qualification(
        provider=provider, kind=kind, number=number, issuer=issuer, valid_from=valid_from, valid_until=valid_until
    )
    documents.keep(document, file)
    _record("add_qualification", provider, actor=actor, detail={"document": document.pk, "kind": kind})
    return document


@transaction.atomic(durable=True)
def remove_qualification(document_id: int, *, actor: User) -> None:
    """Take back a document nobody has decided yet."""
    document = Qualification.objects.select_for_update().select_related("provider").get(pk=document_id)
    require_owner(actor, document.provider_id)
    if document.status != Status.PENDING:
        raise WrongStatus(_("A decided document stays on record; hand in a new one instead."))
    if document.provider.status in (Provider.Status.SUBMITTED, Provider.Status.IN_REVIEW):
        raise WrongStatus(_("The application is under review; its documents stay until it is decided."))
    stored, name = document.file.storage, document.file.name
    document.delete()
    _record(
        "remove_qualification", document.provider, actor=actor, detail={"document": document_id, "kind": document.kind}
    )
    if name:
        transaction.on_commit(lambda: stored.delete(name))


@transaction.atomic(durable=True)
def decide_qualification(document_id: int, *, accepted: bool, reason: str = "", actor: User) -> Qualification:
    """Accept or refuse a document; a refusal says why."""
    require(actor, "review_application")
    return _decide(document_id, accepted=accepted, reason=reason, actor=actor)


@transaction.atomic(durable=True)
def accept_waiting(provider_id: int, *, actor: User) -> int:
    """Accept every document of a provider that waits, read together; return how many."""
    require(actor, "review_application")
    waiting = Qualification.objects.filter(provider=provider_id, status=Status.PENDING).order_by("pk")
    waiting_ids = list(waiting.select_for_update().values_list("pk", flat=True))
    if not waiting_ids:
        raise WrongStatus(_("No document waits for review."))
    for document_id in waiting_ids:  # at most MOST_WAITING
        _decide(document_id, accepted=True, reason="", actor=actor)
    return len(waiting_ids)


def _decide(document_id: int, *, accepted: bool, reason: str, actor: User) -> Qualification:
    if not accepted and not reason.strip():
        raise InvalidInput(_("Say why: the provider reads it."))
    decided = Qualification.objects.filter(pk=document_id, status=Status.PENDING).update(
        status=Status.ACCEPTED if accepted else Status.REFUSED,
        reason=reason.strip(),
        decided_by=actor,
        decided_at=timezone.now(),
    )
    document = Qualification.objects.select_related("provider").get(pk=document_id)
    if not decided:
        raise WrongStatus(_("This document is “%(status)s” already.") % {"status": document.get_status_display()})
    _record(
        "decide_qualification",
        document.provider,
        actor=actor,
        detail={"document": document.pk, "kind": document.kind, "status": document.status, "reason": document.reason},
    )
    params = {"document": str(document), "provider": document.provider.name}
    notify(
        reading.owners(document.provider),
        "qualification_accepted" if accepted else "qualification_refused",
        params=params if accepted else params | {"reason": document.reason},
        url=reverse("providers:people"),
    )
    return document
