"""Bindings: which provider served which merchant or streamer, in which role, on which days."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from providers.choices import BindingRole
from providers.models.provider import Provider
from providers.shares import WHOLE, percent_text

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class BindingQuerySet(models.QuerySet["Binding"]):
    """The reading language of bindings."""

    def visible_to(self, user: User | AnonymousUser) -> BindingQuerySet:
        """Keep the bindings of providers this user may see."""
        return self.filter(provider__in=Provider.objects.visible_to(user))

    def concerning(self, user: User | AnonymousUser) -> BindingQuerySet:
        """Keep the bindings of providers this user may see, and the shares in them."""
        visible = Provider.objects.visible_to(user)
        return self.filter(Q(provider__in=visible) | Q(lead__provider__in=visible))

    def confirmed(self) -> BindingQuerySet:
        """Keep the bindings that carry facts."""
        return self.filter(status=Binding.Status.CONFIRMED)

    def leads(self) -> BindingQuerySet:
        """Keep the bindings that are no share of another one."""
        return self.filter(lead=None)


class Binding(models.Model):
    """A service binding with role and half-open period; only a confirmed one carries facts.

    A share is the child of a lead binding: another provider has so much of what the lead would have, for the days of
    the share. The lead keeps the rest, so that there are always 10,000 basis points in all.
    """

    class Status(models.TextChoices):
        """Consent of the other side, or the evidence an import carries, makes it count."""

        PROPOSED = "proposed", _("waits for confirmation")
        CONFIRMED = "confirmed", _("confirmed")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", pgettext_lazy("of a proposal", "withdrawn")

    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="bindings"
    )
    merchant = models.ForeignKey(
        "providers.Merchant",
        verbose_name=_("merchant"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="bindings",
    )
    streamer = models.ForeignKey(
        "providers.Streamer",
        verbose_name=_("streamer"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="bindings",
    )
    role = models.CharField(_("role"), max_length=10, choices=BindingRole.choices)
    period = DateRangeField(_("period"), help_text=_("Half-open: the last day is not in it; no end means it runs on."))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PROPOSED)
    term_ends_on = models.DateField(
        _("contract term ends on"), null=True, blank=True, help_text=_("The day a renewal falls due; empty: no term.")
    )
    renewed_on = models.DateField(_("renewed by the other side on"), null=True, blank=True)
    related_party = models.BooleanField(
        _("related party"), default=False, help_text=_("Same legal person or account as the provider.")
    )
    lead = models.ForeignKey(
        "self",
        verbose_name=_("lead binding"),
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="shares",
        help_text=_("Set for a share: the binding it is a part of."),
    )
    share_bp = models.PositiveSmallIntegerField(
        _("share in basis points"), null=True, blank=True, help_text=_("10,000 are the whole; the lead has the rest.")
    )
    transfer_of = models.ForeignKey(
        "self",
        verbose_name=_("takes over from"),
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="transfers",
    )
    cool_down_until = models.DateField(
        _("cool-down ends on"), null=True, blank=True, help_text=_("The first day a transfer may begin on.")
    )
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True, blank=True)
    confirmed_by = models.CharField(_("confirmed by"), max_length=254, blank=True)
    evidence = models.CharField(
        _("evidence of consent"),
        max_length=254,
        blank=True,
        help_text=_("What an import carries instead of a signature."),
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("proposed by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    batch = models.ForeignKey(
        "providers.Batch", verbose_name=_("batch"), null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = BindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("binding")
        verbose_name_plural = _("bindings")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="binding_role_known", condition=Q(role__in=BindingRole.values)),
            models.CheckConstraint(
                name="binding_status_known", condition=Q(status__in=["proposed", "confirmed", "declined", "withdrawn"])
            ),
            models.CheckConstraint(
                name="binding_one_subject",
                condition=Q(merchant__isnull=False, streamer__isnull=True)
                | Q(merchant__isnull=True, streamer__isnull=False),
            ),
            models.CheckConstraint(name="binding_period_not_empty", condition=Q(period__isempty=False)),
            models.CheckConstraint(name="binding_period_has_start", condition=Q(period__startswith__isnull=False)),
            models.CheckConstraint(
                name="binding_confirmed_by_someone",
                condition=~Q(status="confirmed")
                | Q(confirmed_at__isnull=False) & (~Q(confirmed_by="") | ~Q(evidence="")),
            ),
            models.UniqueConstraint(
                name="binding_one_open_proposal_per_merchant_role",
                fields=["provider", "merchant", "role"],
                condition=Q(status="proposed", merchant__isnull=False),
            ),
            models.UniqueConstraint(
                name="binding_one_open_proposal_per_streamer_role",
                fields=["provider", "streamer", "role"],
                condition=Q(status="proposed", streamer__isnull=False),
            ),
            models.CheckConstraint(
                name="binding_share_of_a_lead",
                condition=Q(lead__isnull=True, share_bp__isnull=True)
                | Q(lead__isnull=False, share_bp__isnull=False, transfer_of__isnull=True)
                & Q(share_bp__gt=0, share_bp__lt=WHOLE),
            ),
            models.CheckConstraint(
                name="binding_transfer_after_cool_down",
                condition=Q(transfer_of__isnull=True, cool_down_until__isnull=True)
                | Q(transfer_of__isnull=False, cool_down_until__isnull=False)
                & Q(period__startswith__gte=F("cool_down_until")),
            ),
            ExclusionConstraint(
                name="binding_one_share_per_provider_day",
                expressions=[
                    (F("lead"), RangeOperators.EQUAL),
                    (F("provider"), RangeOperators.EQUAL),
                    (F("period"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status="confirmed", lead__isnull=False),
            ),
            ExclusionConstraint(
                name="binding_one_provider_per_merchant_role_day",
                expressions=[
                    (F("merchant"), RangeOperators.EQUAL),
                    (F("role"), RangeOperators.EQUAL),
                    (F("period"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status="confirmed", merchant__isnull=False, lead__isnull=True),
            ),
            ExclusionConstraint(
                name="binding_one_provider_per_streamer_role_day",
                expressions=[
                    (F("streamer"), RangeOperators.EQUAL),
                    (F("role"), RangeOperators.EQUAL),
                    (F("period"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status="confirmed", streamer__isnull=False, lead__isnull=True),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="binding_by_provider", fields=["provider", "status", "id"]),
            models.Index(name="binding_shares_of_lead", fields=["lead"], condition=Q(lead__isnull=False)),
            models.Index(name="binding_transfers_of", fields=["transfer_of"], condition=Q(transfer_of__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.provider} · {self.merchant or self.streamer} · {self.get_role_display()}"

    @property
    def share_text(self) -> str:
        """Return a share's part as a percentage, empty for a lead."""
        return percent_text(self.share_bp) if self.share_bp else ""
