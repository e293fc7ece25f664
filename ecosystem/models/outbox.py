"""Mail and calls that must leave, recorded in the transaction that caused them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OutboxMessage(models.Model):
    """One message with a stable id; delivered at least once by ``ecosystem.steps.deliver``."""

    class Channel(models.TextChoices):
        """How it leaves."""

        EMAIL = "email", _("email")

    key = models.CharField(_("stable id"), max_length=120, unique=True)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    recipient = models.CharField(_("recipient"), max_length=254)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=400, blank=True)

    class Meta:
        verbose_name = _("outgoing message")
        verbose_name_plural = _("outgoing messages")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="outboxmessage_channel_known", condition=Q(channel__in=["email"])),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="outboxmessage_due", fields=["not_before", "id"], condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.key
