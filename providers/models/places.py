"""Industrial belts and the bases in them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from providers.choices import GoodsCategory, Province


class Belt(models.Model):
    """An industrial belt (产业带): a cluster of one kind of goods in one place."""

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=60)
    province = models.CharField(_("province"), max_length=2, choices=Province.choices)
    city = models.CharField(_("city"), max_length=30)
    category = models.CharField(_("goods category"), max_length=20, choices=GoodsCategory.choices)
    goods = models.CharField(_("goods"), max_length=60)
    intensity = models.PositiveSmallIntegerField(_("intensity, 1–10"))

    class Meta:
        verbose_name = _("industrial belt")
        verbose_name_plural = _("industrial belts")
        ordering: ClassVar[list[str]] = ["province", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="belt_province_known", condition=Q(province__in=Province.values)),
            models.CheckConstraint(name="belt_category_known", condition=Q(category__in=GoodsCategory.values)),
            models.CheckConstraint(name="belt_intensity_1_to_10", condition=Q(intensity__range=(1, 10))),
        ]

    def __str__(self) -> str:
        return self.name


class Base(models.Model):
    """A physical live-commerce base (基地) that a provider operates."""

    class Status(models.TextChoices):
        """From declaration to the plaque and its withdrawal."""

        IN_REVIEW = "in_review", _("in review")
        AWARDED = "awarded", _("awarded")
        SUSPENDED = "suspended", _("suspended")
        WITHDRAWN = "withdrawn", pgettext_lazy("of an award", "withdrawn")

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    belt = models.ForeignKey(Belt, verbose_name=_("belt"), null=True, blank=True, on_delete=models.PROTECT)
    province = models.CharField(_("province"), max_length=2, choices=Province.choices)
    city = models.CharField(_("city"), max_length=30)
    operated_by = models.ForeignKey(
        "providers.Provider",
        verbose_name=_("operated by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="bases",
    )
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.IN_REVIEW)
    awarded_on = models.DateField(_("awarded on"), null=True, blank=True)

    class Meta:
        verbose_name = _("base")
        verbose_name_plural = _("bases")
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="base_status_known", condition=Q(status__in=["in_review", "awarded", "suspended", "withdrawn"])
            ),
            models.CheckConstraint(
                name="base_awarded_has_date", condition=~Q(status="awarded") | Q(awarded_on__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.name
