"""Every step taken, by whom, on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecosystem.actions import ACTIONS

if TYPE_CHECKING:
    from ecosystem.models.accounts import User


class Verb(models.TextChoices):
    """The seven verbs of the flow, and one for the accounts beside it."""

    REGISTER = "register", _("register")
    INGEST = "ingest", _("ingest")
    ROLL_UP = "roll_up", _("roll up")
    SCORE = "score", _("score")
    TIER = "tier", _("tier")
    FUND = "fund", _("fund")
    PUBLISH = "publish", _("publish")
    ACCOUNT = "account", _("account")


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """The reading language of the audit trail."""

    def about(self, subject: models.Model) -> AuditQuerySet:
        """Keep the entries about one row."""
        return self.filter(subject_kind=subject._meta.model_name, subject_id=subject.pk)

    def newest_first(self) -> AuditQuerySet:
        """Order by time, newest first, total."""
        return self.order_by("-at", "-pk")


class AuditManager(models.Manager.from_queryset(AuditQuerySet)):  # type: ignore[misc]
    """Write and read the audit trail."""

    def record(
        self,
        verb: Verb,
        action: str,
        subject: models.Model,
        *,
        actor: User | None = None,
        cause: str = "",
        detail: dict[str, object] | None = None,
    ) -> AuditEntry:
        """Write one entry in the caller's transaction; ``action`` is its function's name, a key of ACTIONS."""
        if action not in ACTIONS:
            raise LookupError(f"ecosystem/actions.py has no words for the step {action!r}")
        entry: AuditEntry = AuditEntry._default_manager.create(
            verb=verb,
            action=action,
            subject_kind=subject._meta.model_name or "",
            subject_id=subject.pk,
            subject_text=str(subject)[:200],
            actor=actor,
            cause=cause,
            detail=detail or {},
        )
        return entry


class AuditEntry(models.Model):
    """One step: insert-only, the database refuses changes (migration ``audit_insert_only``)."""

    at = models.DateTimeField(_("at"), default=timezone.now)
    verb = models.CharField(_("verb"), max_length=10, choices=Verb.choices)
    action = models.CharField(_("step"), max_length=60)
    subject_kind = models.CharField(_("kind"), max_length=40)
    subject_id = models.BigIntegerField(_("row"))
    subject_text = models.CharField(_("subject"), max_length=200)
    actor = models.ForeignKey(
        "ecosystem.User", verbose_name=_("actor"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    cause = models.CharField(_("cause"), max_length=400, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    objects = AuditManager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="auditentry_verb_known", condition=Q(verb__in=Verb.values)),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="auditentry_by_subject", fields=["subject_kind", "subject_id", "-at"]),
            models.Index(name="auditentry_newest", fields=["-at", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.verb}: {self.action} {self.subject_text}"

    @property
    def action_text(self) -> str:
        """Return the step in the reader's language."""
        return str(ACTIONS.get(self.action, self.action))
