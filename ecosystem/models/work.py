"""The work ledger: the database holds what is to be done, Celery only rings the bell.

Design and the failures it answers: docs/flow.md#work and docs/decisions/.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class WorkMark(models.Model):
    """ "Something changed here": insert-only, written in the transaction of the change itself."""

    kind = models.CharField(_("kind"), max_length=20)
    scope = models.CharField(_("scope"), max_length=80)
    cause = models.CharField(_("cause"), max_length=200)
    # The earliest business day the change touches; a roll-up starts there.
    from_day = models.DateField(_("from day"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("work mark")
        verbose_name_plural = _("work marks")
        indexes: ClassVar[list[models.Index]] = [models.Index(name="workmark_by_scope", fields=["kind", "scope", "id"])]

    def __str__(self) -> str:
        return f"{self.kind}:{self.scope}"


class WorkScope(models.Model):
    """The unit a step claims: one provider, one run, one plan … of one kind."""

    class State(models.TextChoices):
        """How the last attempt ended."""

        OK = "ok", _("in order")
        RETRY = "retry", _("will be tried again")
        PARKED = "parked", _("parked")

    kind = models.CharField(_("kind"), max_length=20)
    scope = models.CharField(_("scope"), max_length=80)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OK)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    last_error = models.TextField(_("last error"), blank=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)

    class Meta:
        verbose_name = _("work scope")
        verbose_name_plural = _("work scopes")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="workscope_once", fields=["kind", "scope"]),
            models.CheckConstraint(name="workscope_state_known", condition=Q(state__in=["ok", "retry", "parked"])),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.scope}"


class WorkRun(models.Model):
    """One finished step of the ledger: what it read and what it changed."""

    kind = models.CharField(_("kind"), max_length=20)
    scopes = models.PositiveIntegerField(_("scopes"))
    marks = models.PositiveIntegerField(_("marks"))
    rows_changed = models.PositiveBigIntegerField(_("rows changed"), default=0)
    code_version = models.CharField(_("code version"), max_length=40, blank=True)
    input_digest = models.CharField(_("input digest"), max_length=64, blank=True)
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"), default=timezone.now)

    class Meta:
        verbose_name = _("work run")
        verbose_name_plural = _("work runs")
        indexes: ClassVar[list[models.Index]] = [models.Index(name="workrun_newest", fields=["-ended_at", "-id"])]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="workrun_ends_after_start", condition=Q(ended_at__gte=models.F("started_at"))),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ended_at:%F %T}"


class ScheduleSlot(models.Model):
    """One slot of a scheduled job; its primary key makes two beats, or none, harmless."""

    pk = models.CompositePrimaryKey("job", "slot")
    job = models.CharField(_("job"), max_length=40)
    slot = models.CharField(_("slot"), max_length=40)
    taken_at = models.DateTimeField(_("taken at"), default=timezone.now)

    class Meta:
        verbose_name = _("schedule slot")
        verbose_name_plural = _("schedule slots")

    def __str__(self) -> str:
        return f"{self.job} {self.slot}"
