"""What a person should know, in the language that person reads."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Notice(models.Model):
    """A message to one user; ``kind`` names its wording in ``ecosystem/notices.py``, ``params`` fill it."""

    user = models.ForeignKey(
        "ecosystem.User", verbose_name=_("recipient"), on_delete=models.CASCADE, related_name="notices"
    )
    kind = models.CharField(_("kind"), max_length=40)
    params = models.JSONField(_("values"), default=dict, blank=True)
    url = models.CharField(_("page"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="notice_newest", fields=["user", "-created_at", "-id"])
        ]

    def __str__(self) -> str:
        return self.kind
