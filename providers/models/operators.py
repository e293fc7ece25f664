"""Certified live-operation leads (操盘手) and the sessions they ran."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import DateRangeField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class OperatorCertificate(models.Model):
    """One valid certificate of one person, counted for one provider only."""

    class Level(models.TextChoices):
        """Junior 1, middle 1.5, senior 2 points."""

        JUNIOR = "junior", _("junior")
        MIDDLE = "middle", _("middle")
        SENIOR = "senior", _("senior")

    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="operator_certificates"
    )
    number = models.CharField(_("certificate number"), max_length=40, unique=True)
    person = models.CharField(_("real person"), max_length=64)
    level = models.CharField(_("level"), max_length=8, choices=Level.choices)
    period = DateRangeField(_("valid period"))

    class Meta:
        verbose_name = _("operator certificate")
        verbose_name_plural = _("operator certificates")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="operatorcertificate_level_known", condition=Q(level__in=["junior", "middle", "senior"])
            ),
            models.CheckConstraint(name="operatorcertificate_period_not_empty", condition=Q(period__isempty=False)),
        ]

    def __str__(self) -> str:
        return self.number


class OperatedSession(models.Model):
    """One session registered in advance as operated (操盘场), with its baseline; delivered by the live feed."""

    code = models.CharField(_("session"), max_length=64, unique=True)
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="operated_sessions"
    )
    streamer = models.ForeignKey("providers.Streamer", verbose_name=_("streamer"), on_delete=models.PROTECT)
    operator = models.CharField(_("operator, real person"), max_length=64)
    day = models.DateField(_("session day"))
    registered_hours_ahead = models.PositiveIntegerField(_("registered, hours ahead"))
    gmv_strict_fen = models.BigIntegerField(_("strict GMV, fen"))
    baseline_fen = models.BigIntegerField(_("median of the 28 days before, fen"))
    baseline_sessions = models.PositiveIntegerField(_("sessions in the baseline"))
    day_index_bp = models.PositiveIntegerField(_("platform day index, basis points"))
    fell_below_after = models.BooleanField(_("fell below the baseline in the 14 days after"))
    batch = models.ForeignKey(
        "providers.Batch", verbose_name=_("batch"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name = _("operated session")
        verbose_name_plural = _("operated sessions")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="operatedsession_day_index_positive", condition=Q(day_index_bp__gt=0)),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="operatedsession_by_day", fields=["provider", "day"]),
        ]

    def __str__(self) -> str:
        return self.code
