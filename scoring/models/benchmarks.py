"""Frozen category-month benchmarks: what one unit of exposure yields at the median merchant."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Benchmark(models.Model):
    """The median over at least 20 members of numerator ÷ denominator, kept as an exact fraction."""

    measure = models.CharField(_("expected measure"), max_length=60)
    month = models.DateField(_("month"), help_text=_("Its first day."))
    category = models.CharField(_("goods category"), max_length=20, help_text=_("“all” where a category has too few."))
    numerator = models.DecimalField(_("numerator"), max_digits=40, decimal_places=0)
    denominator = models.DecimalField(_("denominator"), max_digits=40, decimal_places=0)
    members = ArrayField(models.BigIntegerField(), verbose_name=_("members"))
    digest = models.CharField(_("SHA-256 of members and ratios"), max_length=64)
    frozen_at = models.DateTimeField(_("frozen at"), default=timezone.now)

    class Meta:
        verbose_name = _("benchmark")
        verbose_name_plural = _("benchmarks")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="benchmark_once", fields=["measure", "month", "category"]),
            models.CheckConstraint(name="benchmark_denominator_positive", condition=Q(denominator__gt=0)),
            models.CheckConstraint(name="benchmark_month_is_first_day", condition=Q(month__day=1)),
        ]

    def __str__(self) -> str:
        return f"{self.measure} {self.month:%Y-%m} {self.category}"
