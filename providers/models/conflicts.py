"""Conflict cases: two providers claim the same days of a merchant or streamer, and a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import DateRangeField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from providers.models.provider import Provider
from providers.shares import WHOLE, percent_text

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class ConflictQuerySet(models.QuerySet["Conflict"]):
    """The reading language of conflicts."""

    def visible_to(self, user: User | AnonymousUser) -> ConflictQuerySet:
        """Keep the conflicts in which a provider this user may see is one of the two sides."""
        visible = Provider.objects.visible_to(user)
        return self.filter(Q(claimant__in=visible) | Q(binding__provider__in=visible))

    def waiting(self) -> ConflictQuerySet:
        """Keep those nobody has decided, the one due first in front."""
        return self.filter(status=Conflict.Status.OPEN).order_by("answer_by", "pk")


class Conflict(models.Model):
    """A provider's claim to days that another one's binding holds."""

    class Status(models.TextChoices):
        """Open until the arbiter decides or the claimant takes it back."""

        OPEN = "open", _("open")
        DISMISSED = "dismissed", _("dismissed: the binding stays")
        MOVED = "moved", _("decided: the days go to the claimant")
        SHARED = "shared", _("decided: the claimant has a share of the days")
        WITHDRAWN = "withdrawn", pgettext_lazy("of a claim", "withdrawn")

    binding = models.ForeignKey(
        "providers.Binding", verbose_name=_("contested binding"), on_delete=models.PROTECT, related_name="conflicts"
    )
    claimant = models.ForeignKey(
        "providers.Provider", verbose_name=_("claimant"), on_delete=models.PROTECT, related_name="claims"
    )
    period = DateRangeField(_("claimed days"), help_text=_("Half-open: the last day is not in it."))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    answer_by = models.DateField(
        _("answer expected by"), help_text=_("The other side has until then; it is decided afterwards, or once it has.")
    )
    share_bp = models.PositiveSmallIntegerField(_("share in basis points"), null=True, blank=True)
    reason = models.TextField(_("reason of the decision"), blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("opened by"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = ConflictQuerySet.as_manager()

    class Meta:
        verbose_name = _("conflict")
        verbose_name_plural = _("conflicts")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="conflict_status_known",
                condition=Q(status__in=["open", "dismissed", "moved", "shared", "withdrawn"]),
            ),
            models.CheckConstraint(
                name="conflict_decision_signed",
                condition=Q(status__in=["open", "withdrawn"])
                | Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="conflict_share_decided",
                condition=~Q(status="shared") & Q(share_bp__isnull=True)
                | Q(status="shared", share_bp__isnull=False) & Q(share_bp__gt=0, share_bp__lt=WHOLE),
            ),
            models.CheckConstraint(
                name="conflict_has_days",
                condition=Q(period__isempty=False, period__startswith__isnull=False),
            ),
            models.UniqueConstraint(
                name="conflict_one_open_per_claimant", fields=["binding", "claimant"], condition=Q(status="open")
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="conflict_waiting", fields=["answer_by", "id"], condition=Q(status="open")),
        ]

    def __str__(self) -> str:
        return f"{self.claimant} · {self.binding.merchant or self.binding.streamer}"

    @property
    def share_text(self) -> str:
        """Return the share decided on as a percentage."""
        return percent_text(self.share_bp) if self.share_bp else ""


class Evidence(models.Model):
    """What one side says, with the paper that shows it; nothing said is ever changed."""

    conflict = models.ForeignKey(
        Conflict, verbose_name=_("conflict"), on_delete=models.PROTECT, related_name="evidence"
    )
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="+"
    )
    text = models.TextField(_("statement"))
    file = models.FileField(_("file"), upload_to="conflicts/%Y/%m", blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("written by"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="evidence_has_text", condition=~Q(text="")),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.text[:40]}"
