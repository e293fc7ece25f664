"""Merchants and streamers: whom facts are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecosystem.roles import STAFF, Role
from providers.choices import GoodsCategory, Province
from providers.models.provider import Provider

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class SubjectQuerySet[M: models.Model](models.QuerySet[M]):
    """The reading language of merchants and streamers."""

    def visible_to(self, user: User | AnonymousUser) -> SubjectQuerySet[M]:
        """Keep what this user may see: staff all, members and staff with a scope whom their providers ever served."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if (user.role in STAFF or user.role == Role.MACHINE) and not user.is_scoped:
            return self
        served = self.filter(
            bindings__provider__in=Provider.objects.visible_to(user), bindings__status="confirmed"
        ).values("pk")
        return self.filter(pk__in=served)


class Merchant(models.Model):
    """A shop on the platform."""

    code = models.CharField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=120)
    category = models.CharField(
        _("goods category"), max_length=20, choices=GoodsCategory.choices, default=GoodsCategory.OTHER
    )
    country = models.CharField(_("country (ISO 3166)"), max_length=2, default="CN")
    province = models.CharField(_("province"), max_length=2, choices=Province.choices, blank=True)
    city = models.CharField(_("city"), max_length=60, blank=True)
    belt = models.ForeignKey(
        "providers.Belt", verbose_name=_("industrial belt"), null=True, blank=True, on_delete=models.PROTECT
    )
    contact_email = models.EmailField(_("contact email"), blank=True)
    opened_on = models.DateField(_("opened on"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = SubjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="merchant_category_known", condition=Q(category__in=GoodsCategory.values)),
            models.CheckConstraint(
                name="merchant_province_known", condition=Q(province="") | Q(province__in=Province.values)
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Streamer(models.Model):
    """A live account (room); sister accounts of one real person share ``person``."""

    code = models.CharField(_("code"), max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=120)
    person = models.CharField(
        _("real person"),
        max_length=64,
        help_text=_("Pseudonymous key of the real-name identity; sister accounts share it."),
    )
    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("store"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rooms",
        help_text=_("Set for a store's own room, which follows its merchant's binding."),
    )
    category = models.CharField(
        _("goods category"), max_length=20, choices=GoodsCategory.choices, default=GoodsCategory.OTHER
    )
    province = models.CharField(_("province"), max_length=2, choices=Province.choices, blank=True)
    followers = models.PositiveBigIntegerField(_("followers"), default=0)
    contact_email = models.EmailField(_("contact email"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = SubjectQuerySet.as_manager()

    class Meta:
        verbose_name = _("streamer")
        verbose_name_plural = _("streamers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="streamer_category_known", condition=Q(category__in=GoodsCategory.values)),
            models.CheckConstraint(
                name="streamer_province_known", condition=Q(province="") | Q(province__in=Province.values)
            ),
            models.CheckConstraint(name="streamer_has_person", condition=~Q(person="")),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(name="streamer_by_person", fields=["person"])]

    def __str__(self) -> str:
        return self.name
