"""Budget pools and grants, kept double-entry: one unit per pool, units never added together."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ecosystem.numerals import count_text, is_chinese, money_text
from ecosystem.roles import MAY, Role
from providers.models import Provider

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class Unit(models.TextChoices):
    """What a pool is counted in."""

    FEN = "fen", _("fen (RMB 0.01)")
    IMPRESSIONS = "impressions", _("impressions")

    def text(self, amount: int, language: str | None = None) -> str:
        """Write an amount of this unit for people: 3,250万元, 740亿 次曝光."""
        if self is Unit.FEN:
            return money_text(amount, language)
        return f"{count_text(amount, language)} {'次曝光' if is_chinese(language) else 'impressions'}"


class BudgetPool(models.Model):
    """A capped amount of one unit; ``committed`` is moved by one conditional UPDATE and never passes the cap.

    What lapses or is clawed back returns to a pool of money and may be granted again; impressions once issued stay
    counted against the cap, used or not. The pool of a plan's target has the code ``PLAN/target``.
    """

    plan = models.ForeignKey("scoring.Plan", verbose_name=_("plan"), on_delete=models.PROTECT, related_name="pools")
    code = models.CharField(_("code"), max_length=40, unique=True)
    name_zh = models.CharField(_("name, Chinese"), max_length=80)
    name_en = models.CharField(_("name, English"), max_length=80)
    label = models.CharField(
        _("as promised"), max_length=40, blank=True, help_text=_("The public wording, such as 亿元级.")
    )
    unit = models.CharField(_("unit"), max_length=12, choices=Unit.choices)
    cap = models.BigIntegerField(_("cap"))
    committed = models.BigIntegerField(_("committed"), default=0)
    paid = models.BigIntegerField(_("paid or used"), default=0, help_text=_("Net of what was clawed back."))
    expired = models.BigIntegerField(_("expired or clawed back"), default=0)

    class Meta:
        verbose_name = _("budget pool")
        verbose_name_plural = _("budget pools")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="budgetpool_unit_known", condition=Q(unit__in=["fen", "impressions"])),
            models.CheckConstraint(
                name="budgetpool_never_over_cap", condition=Q(committed__gte=0, committed__lte=F("cap"))
            ),
            models.CheckConstraint(
                name="budgetpool_pays_what_is_committed",
                condition=Q(paid__gte=0, expired__gte=0) & Q(paid__lte=F("committed") + F("expired")),
            ),
        ]

    def __str__(self) -> str:
        return self.name_zh if is_chinese() else self.name_en

    def name(self, language: str) -> str:
        """Return the pool's name in the language, Chinese unless English is asked for."""
        return self.name_en if language.startswith("en") else self.name_zh

    def text(self, amount: int) -> str:
        """Write an amount of this pool in the reader's language."""
        return Unit(self.unit).text(amount)

    @property
    def available(self) -> int:
        """Return what may still be granted, in the pool's unit."""
        return self.cap - self.committed

    @property
    def lapsed_returns(self) -> bool:
        """Tell whether what lapses may be granted again."""
        return self.unit == Unit.FEN


class GrantQuerySet(models.QuerySet["Grant"]):
    """The reading language of grants."""

    def visible_to(self, user: User | AnonymousUser) -> GrantQuerySet:
        """Keep what this user may see: staff who see money all, members their provider's approved ones."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role in MAY["see_money"]:
            return self
        if user.role != Role.PROVIDER:
            return self.none()
        return self.filter(provider__in=Provider.objects.readable_by(user)).exclude(
            status__in=[Grant.Status.PROPOSED, Grant.Status.REFUSED]
        )


class Grant(models.Model):
    """An amount of a pool for one provider, proposed by one person and approved by another."""

    class Status(models.TextChoices):
        """proposed → approved → paid (cash) or used (traffic), or expired, clawed back; or refused."""

        PROPOSED = "proposed", _("waits for approval")
        APPROVED = "approved", _("approved")
        REFUSED = "refused", _("refused")
        PAID = "paid", _("paid or used")
        EXPIRED = "expired", _("expired")
        CLAWED_BACK = "clawed_back", _("clawed back")

    pool = models.ForeignKey(BudgetPool, verbose_name=_("pool"), on_delete=models.PROTECT, related_name="grants")
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="grants"
    )
    amount = models.BigIntegerField(_("amount"), help_text=_("In the pool's unit."))
    reason = models.CharField(_("reason"), max_length=300)
    score = models.ForeignKey(
        "scoring.Score", verbose_name=_("score it follows from"), null=True, blank=True, on_delete=models.PROTECT
    )
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.PROPOSED)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("proposed by"), on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField(_("proposed at"), default=timezone.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    granted_on = models.DateField(_("granted on"), null=True, blank=True)
    expires_on = models.DateField(_("expires on"), null=True, blank=True)
    settled_amount = models.BigIntegerField(_("paid or used"), default=0, help_text=_("In the pool's unit."))
    settled_on = models.DateField(_("settled on"), null=True, blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="grant_amount_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="grant_status_known",
                condition=Q(status__in=["proposed", "approved", "refused", "paid", "expired", "clawed_back"]),
            ),
            models.CheckConstraint(
                name="grant_second_person",
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("proposed_by")),
            ),
            models.CheckConstraint(
                name="grant_decision_signed",
                condition=Q(status="proposed") | Q(decided_by__isnull=False, decided_at__isnull=False),
            ),
            models.CheckConstraint(
                name="grant_settles_at_most_its_amount",
                condition=Q(settled_amount__gte=0, settled_amount__lte=F("amount")),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="grant_by_provider", fields=["provider", "granted_on", "id"]),
            models.Index(name="grant_waiting", fields=["proposed_at", "id"], condition=Q(status="proposed")),
        ]

    def __str__(self) -> str:
        return f"{self.pool} → {self.provider}"


class Entry(models.Model):
    """One line of the double-entry ledger; the lines of a ``posting`` sum to zero (deferred trigger, migration)."""

    class Account(models.TextChoices):
        """Where the amount stands."""

        AVAILABLE = "available", _("available")
        COMMITTED = "committed", _("committed")
        PAID = "paid", _("paid or used")
        EXPIRED = "expired", _("expired or clawed back")
        ENDOWMENT = "endowment", _("endowment")

    posting = models.UUIDField(_("posting"))
    pool = models.ForeignKey(BudgetPool, verbose_name=_("pool"), on_delete=models.PROTECT, related_name="entries")
    grant = models.ForeignKey(
        Grant, verbose_name=_("grant"), null=True, blank=True, on_delete=models.PROTECT, related_name="entries"
    )
    account = models.CharField(_("account"), max_length=10, choices=Account.choices)
    amount = models.BigIntegerField(_("amount"), help_text=_("In the pool's unit; signed."))
    booked_at = models.DateTimeField(_("booked at"), default=timezone.now)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="entry_account_known",
                condition=Q(account__in=["available", "committed", "paid", "expired", "endowment"]),
            ),
            models.CheckConstraint(name="entry_amount_not_zero", condition=~Q(amount=0)),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(name="entry_by_posting", fields=["posting"])]

    def __str__(self) -> str:
        return f"{self.account} {self.amount}"
