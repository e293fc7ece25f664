"""The service provider (服务商) and its life cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import BooleanField, F, Func, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecosystem.errors import WrongStatus
from ecosystem.roles import STAFF, Role
from providers import credit_code
from providers.choices import GoodsCategory, ProviderCategory, Province
from providers.models.members import READS_SCORES

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class CreditCodeIsRight(Func):
    """The check character of GB 32100 in SQL (migration ``credit_code``)."""

    function = "credit_code_is_right"
    arity = 1
    output_field = BooleanField()


class ProviderQuerySet(models.QuerySet["Provider"]):
    """The reading language of providers."""

    def visible_to(self, user: User | AnonymousUser) -> ProviderQuerySet:
        """Keep what this user may see: staff all or their scope, machines all, members their own."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_scoped:
            inside = Q()
            if user.scope_provinces:
                inside &= Q(province__in=user.scope_provinces)
            if user.scope_categories:
                inside &= Q(goods_category__in=user.scope_categories)
            return self.filter(inside)
        if user.role in STAFF or user.role == Role.MACHINE:
            return self
        return self.filter(pk__in=user.memberships.values("provider"))

    def readable_by(self, user: User | AnonymousUser) -> ProviderQuerySet:
        """Keep those whose numbers this user may read: as ``visible_to``, but of members owners and analysts only."""
        visible = self.visible_to(user)
        if user.is_authenticated and user.role == Role.PROVIDER:
            readers = user.memberships.filter(role__in=READS_SCORES)
            return visible.filter(pk__in=readers.values("provider"))
        return visible

    def active(self) -> ProviderQuerySet:
        """Keep the providers that work now: approved, or suspended but still bound."""
        return self.filter(status__in=[Provider.Status.APPROVED, Provider.Status.SUSPENDED])

    def advance(
        self, provider_id: int, *, needs: Collection[Provider.Status], leaves: Provider.Status, **values: object
    ) -> Provider:
        """Move the status by one conditional UPDATE and return the provider, held; a twin raises WrongStatus."""
        if not self.filter(pk=provider_id, status__in=needs).update(status=leaves, **values):
            found = self.get(pk=provider_id)
            raise WrongStatus(
                _("%(name)s is “%(found)s”; this step starts from: %(needed)s.")
                % {
                    "name": found.name,
                    "found": found.get_status_display(),
                    "needed": ", ".join(str(status.label) for status in needs),
                }
            )
        return self.get(pk=provider_id)

    def waiting(self) -> ProviderQuerySet:
        """Keep applications that wait for a reviewer, longest waiting first."""
        return self.filter(status__in=[Provider.Status.SUBMITTED, Provider.Status.IN_REVIEW]).order_by(
            "submitted_at", "pk"
        )


class Provider(models.Model):
    """A company that serves merchants and streamers; its status moves only through steps."""

    class Status(models.TextChoices):
        """draft → submitted → in review → returned, rejected or approved → suspended → withdrawn or expelled."""

        DRAFT = "draft", _("draft")
        SUBMITTED = "submitted", _("submitted")
        IN_REVIEW = "in_review", _("in review")
        RETURNED = "returned", _("returned for completion")
        REJECTED = "rejected", _("rejected")
        APPROVED = "approved", _("approved")
        SUSPENDED = "suspended", _("suspended")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPELLED = "expelled", _("expelled")

    code = models.CharField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=120)
    category = models.CharField(_("provider category"), max_length=20, choices=ProviderCategory.choices)
    goods_category = models.CharField(
        _("main goods category"), max_length=20, choices=GoodsCategory.choices, blank=True
    )
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.DRAFT)
    country = models.CharField(_("country (ISO 3166)"), max_length=2, default="CN")
    credit_code = models.CharField(
        _("unified social credit code"),
        max_length=18,
        blank=True,
        help_text=_("18 characters after GB 32100, the last one is the check character. Foreign companies have none."),
    )
    province = models.CharField(_("province"), max_length=2, choices=Province.choices, blank=True)
    city = models.CharField(_("city"), max_length=40, blank=True)
    belt = models.ForeignKey(
        "providers.Belt", verbose_name=_("industrial belt"), null=True, blank=True, on_delete=models.PROTECT
    )
    introduction = models.TextField(_("introduction"), blank=True)
    contact_name = models.CharField(_("contact person"), max_length=60, blank=True)
    contact_email = models.EmailField(_("contact email"), blank=True)
    contact_phone = models.CharField(_("contact phone"), max_length=30, blank=True)
    legal_person = models.CharField(_("legal representative"), max_length=60, blank=True)
    # SHA-256 of the settlement account: sister companies and returning owners are recognised, the number is not kept.
    bank_account_digest = models.CharField(_("settlement account, SHA-256"), max_length=64, blank=True)
    distribution_declared = models.BooleanField(_("distributes through the alliance"), default=False)
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    rejections = models.PositiveSmallIntegerField(_("rejections"), default=0)
    silent_until = models.DateField(_("silent period ends before"), null=True, blank=True)
    decision_reason = models.CharField(_("reason of the last decision"), max_length=400, blank=True)
    approved_on = models.DateField(_("approved on"), null=True, blank=True)
    ended_on = models.DateField(_("ended on"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="provider_status_known",
                condition=Q(
                    status__in=[
                        "draft",
                        "submitted",
                        "in_review",
                        "returned",
                        "rejected",
                        "approved",
                        "suspended",
                        "withdrawn",
                        "expelled",
                    ]
                ),
            ),
            models.CheckConstraint(name="provider_category_known", condition=Q(category__in=ProviderCategory.values)),
            models.CheckConstraint(
                name="provider_credit_code_shape",
                condition=Q(credit_code="") | Q(credit_code__regex=credit_code.SHAPE),
            ),
            models.CheckConstraint(
                name="provider_credit_code_check_character",
                condition=Q(credit_code="") | Q(CreditCodeIsRight(F("credit_code"))),
            ),
            models.CheckConstraint(
                name="provider_bank_account_is_sha256",
                condition=Q(bank_account_digest="") | Q(bank_account_digest__regex=r"^[0-9a-f]{64}$"),
            ),
            models.CheckConstraint(
                name="provider_goods_category_known",
                condition=Q(goods_category="") | Q(goods_category__in=GoodsCategory.values),
            ),
            models.CheckConstraint(
                name="provider_province_known", condition=Q(province="") | Q(province__in=Province.values)
            ),
            models.CheckConstraint(
                name="provider_mainland_has_credit_code",
                condition=~Q(country="CN") | Q(status="draft") | ~Q(credit_code=""),
            ),
            models.CheckConstraint(
                name="provider_working_has_approval_day",
                condition=~Q(status__in=["approved", "suspended"]) | Q(approved_on__isnull=False),
            ),
            models.CheckConstraint(
                name="provider_ended_has_day",
                condition=~Q(status__in=["withdrawn", "expelled"]) | Q(ended_on__isnull=False),
            ),
            models.CheckConstraint(
                name="provider_waiting_has_submission",
                condition=~Q(status__in=["submitted", "in_review"]) | Q(submitted_at__isnull=False),
            ),
            models.UniqueConstraint(
                name="provider_credit_code_once_among_living",
                fields=["credit_code"],
                condition=~Q(credit_code="") & ~Q(status__in=["draft", "rejected", "withdrawn", "expelled"]),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="provider_by_status", fields=["status", "submitted_at", "id"]),
        ]

    def __str__(self) -> str:
        return self.name
