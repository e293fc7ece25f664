"""Contests: a provider's objection to a score, answered by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.models import Provider

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class ContestQuerySet(models.QuerySet["Contest"]):
    """The reading language of contests."""

    def visible_to(self, user: User | AnonymousUser) -> ContestQuerySet:
        """Keep the contests of providers whose numbers this user may read."""
        return self.filter(provider__in=Provider.objects.readable_by(user))

    def waiting(self) -> ContestQuerySet:
        """Keep those nobody has answered, longest waiting first."""
        return self.filter(status=Contest.Status.OPEN).order_by("created_at", "pk")


class Contest(models.Model):
    """A note to the rating staff about one score, or one indicator of it."""

    class Status(models.TextChoices):
        """Open until a person answers."""

        OPEN = "open", _("open")
        UPHELD = "upheld", _("upheld")
        DISMISSED = "dismissed", _("dismissed")

    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="contests"
    )
    score = models.ForeignKey(
        "scoring.Score", verbose_name=_("score"), on_delete=models.PROTECT, related_name="contests"
    )
    node = models.CharField(_("indicator or capability"), max_length=40, blank=True)
    text = models.TextField(_("what is wrong, and why"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("written by"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    answer = models.TextField(_("answer"), blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("answered by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    objects = ContestQuerySet.as_manager()

    class Meta:
        verbose_name = _("contest")
        verbose_name_plural = _("contests")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="contest_status_known", condition=Q(status__in=["open", "upheld", "dismissed"])
            ),
            models.CheckConstraint(
                name="contest_answer_signed",
                condition=Q(status="open") | Q(answered_by__isnull=False, answered_at__isnull=False) & ~Q(answer=""),
            ),
            models.CheckConstraint(name="contest_has_text", condition=~Q(text="")),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="contest_waiting", fields=["created_at", "id"], condition=Q(status="open")),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.node}".strip()
