"""Publications: the moment a run's numbers became public, signed by a person."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Publication(models.Model):
    """One published run; a later publication for the same day supersedes it, nothing is ever rewritten."""

    run = models.OneToOneField(
        "scoring.Run", verbose_name=_("run"), on_delete=models.PROTECT, related_name="publication"
    )
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("published by"), on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(_("published at"), default=timezone.now)
    digest = models.CharField(_("SHA-256 of the published scores"), max_length=64)
    supersedes = models.OneToOneField(
        "self",
        verbose_name=_("supersedes"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="superseded_by",
    )

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="publication_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return str(self.run)
