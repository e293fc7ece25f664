"""Budget pools, grants and the ledger for staff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import ReasonForm, StaffAdmin, Step, StepForm
from ecosystem.errors import InvalidInput
from ecosystem.models import User
from providers.admin.scope import VersionedAdmin
from providers.models import Provider
from scoring.models import BudgetPool, Entry, Grant
from scoring.models.budgets import Unit
from scoring.steps import fund


class Amount(forms.DecimalField):
    """An amount as people write it: yuan from a pool of money, impressions from one of traffic."""

    def __init__(self, smallest: Decimal = Decimal("0.01")) -> None:
        super().__init__(
            label=_("Amount"),
            min_value=smallest,
            max_digits=18,
            decimal_places=2,
            help_text=_("In yuan for money, in impressions for traffic."),
        )


class EndowForm(StepForm):
    """An amount for a pool."""

    amount = Amount()


class GrantForm(StepForm):
    """A grant to propose."""

    provider = forms.CharField(label=_("Code of the provider"), max_length=40)
    amount = Amount()
    reason = forms.CharField(label=_("Reason"), widget=forms.Textarea, max_length=300)
    expires_on = forms.DateField(label=_("Expires on"), required=False)

    def clean_provider(self) -> int:
        """Find the provider."""
        found = Provider.objects.active().filter(code=self.cleaned_data["provider"]).first()
        if found is None:
            raise forms.ValidationError(_("No provider that works now has this code."))
        return found.pk


class SettleForm(StepForm):
    """How much was paid or used."""

    amount = Amount()


class ClawBackForm(ReasonForm):
    """How much comes back, and why."""

    amount = Amount(Decimal(0))


def units(amount: Decimal, pool: BudgetPool) -> int:
    """Return an amount as the ledger keeps it: fen, or whole impressions."""
    kept = amount.scaleb(2) if pool.unit == Unit.FEN else amount
    if kept != int(kept):
        raise InvalidInput(_("Impressions are whole; found %(found)s.") % {"found": amount})
    return int(kept)


def propose(pool_id: int, *, provider: int, amount: Decimal, actor: User, **values: Any) -> Grant:
    """Propose a grant from a pool's page."""
    kept = units(amount, BudgetPool.objects.get(pk=pool_id))
    return fund.propose_grant(pool_id, provider_id=provider, amount=kept, actor=actor, **values)


def endow(pool_id: int, *, amount: Decimal, actor: User) -> BudgetPool:
    """Raise a pool's cap from its page."""
    return fund.endow(pool_id, amount=units(amount, BudgetPool.objects.get(pk=pool_id)), actor=actor)


def settle(grant_id: int, *, amount: Decimal, actor: User) -> Grant:
    """Book what was paid or used from a grant's page."""
    return fund.settle_grant(grant_id, amount=units(amount, BudgetPool.objects.get(grants=grant_id)), actor=actor)


def claw_back(grant_id: int, *, amount: Decimal, reason: str, actor: User) -> Grant:
    """Take back from a grant's page."""
    kept = units(amount, BudgetPool.objects.get(grants=grant_id))
    return fund.claw_back_grant(grant_id, amount=kept, reason=reason, actor=actor)


class MoneyAdmin(StaffAdmin):
    """Tables about money are open to those who see money."""

    sight = "see_money"


@admin.register(BudgetPool)
class BudgetPoolAdmin(MoneyAdmin):
    """Pools: cap, available, committed, paid."""

    list_display = ("name", "plan", "unit", "cap_text", "committed_text", "paid_text", "expired_text", "share")
    list_filter = ("unit", "plan")
    exclude = ("cap", "committed", "paid", "expired")
    readonly_fields = ("cap_text", "committed_text", "paid_text", "expired_text", "share")
    list_select_related = ("plan",)
    row_steps: ClassVar = (
        Step("propose", _("Propose a grant"), "propose_grant", propose, GrantForm),
        Step("endow", _("Endow"), "manage_pool", endow, EndowForm),
    )

    @admin.display(description=_("name"))
    def name(self, row: BudgetPool) -> str:
        """Return the name in the reader's language."""
        return row.name_zh if numerals.is_chinese() else row.name_en

    @admin.display(description=_("cap"), ordering="cap")
    def cap_text(self, row: BudgetPool) -> str:
        """Return the cap in the pool's unit."""
        return row.text(row.cap)

    @admin.display(description=_("committed"), ordering="committed")
    def committed_text(self, row: BudgetPool) -> str:
        """Return what is committed."""
        return row.text(row.committed)

    @admin.display(description=_("paid or used"), ordering="paid")
    def paid_text(self, row: BudgetPool) -> str:
        """Return what is paid or used."""
        return row.text(row.paid)

    @admin.display(description=_("expired or clawed back"), ordering="expired")
    def expired_text(self, row: BudgetPool) -> str:
        """Return what came back."""
        return row.text(row.expired)

    @admin.display(description=_("Share of the cap"))
    def share(self, row: BudgetPool) -> str:
        """Return committed over cap."""
        return numerals.percent_text(Decimal(row.committed) / Decimal(row.cap), 1) if row.cap else "—"


@admin.register(Grant)
class GrantAdmin(MoneyAdmin, VersionedAdmin):
    """Grants: proposed by one person, approved by another."""

    list_display = (
        "provider",
        "pool",
        "amount_text",
        "status",
        "proposed_by",
        "decided_by",
        "granted_on",
        "expires_on",
    )
    list_display_links = ("provider",)
    list_filter = ("status", "pool")
    list_select_related = ("provider", "pool", "proposed_by", "decided_by")
    search_fields = ("provider__name", "provider__code", "reason")
    ordering = ("-proposed_at", "-pk")
    exclude = hidden_in_versions = ("amount", "settled_amount")
    readonly_fields = ("amount_text", "settled_text")
    row_steps: ClassVar = (
        Step(
            "approve",
            _("Approve"),
            "approve_grant",
            fund.approve_grant,
            when=lambda row: row.status == Grant.Status.PROPOSED,
            explains=_("The amount is committed against the pool's cap; whoever proposed it cannot approve it."),
        ),
        Step(
            "refuse",
            _("Refuse"),
            "approve_grant",
            fund.refuse_grant,
            ReasonForm,
            when=lambda row: row.status == Grant.Status.PROPOSED,
        ),
        Step(
            "settle",
            _("Book as paid or used"),
            "approve_grant",
            settle,
            SettleForm,
            when=lambda row: row.status == Grant.Status.APPROVED,
        ),
        Step(
            "expire",
            _("Let expire"),
            "approve_grant",
            fund.expire_grant,
            when=lambda row: row.status == Grant.Status.APPROVED and row.expires_on is not None,
        ),
        Step(
            "claw-back",
            _("Claw back"),
            "approve_grant",
            claw_back,
            ClawBackForm,
            when=lambda row: row.status in (Grant.Status.APPROVED, Grant.Status.PAID),
            grave=True,
        ),
    )

    @admin.display(description=_("amount"), ordering="amount")
    def amount_text(self, row: Grant) -> str:
        """Return the amount in the pool's unit."""
        return row.pool.text(row.amount)

    @admin.display(description=_("paid or used"))
    def settled_text(self, row: Grant) -> str:
        """Return what was paid or used, in the pool's unit."""
        return row.pool.text(row.settled_amount)


@admin.register(Entry)
class EntryAdmin(MoneyAdmin):
    """The double-entry ledger."""

    list_display = ("booked_at", "pool", "account", "amount_text", "grant", "posting")
    list_filter = ("pool", "account")
    list_select_related = ("pool", "grant__provider", "grant__pool")
    ordering = ("-booked_at", "-pk")
    exclude = ("amount",)
    readonly_fields = ("amount_text",)

    @admin.display(description=_("amount"), ordering="amount")
    def amount_text(self, row: Entry) -> str:
        """Return the signed amount in the pool's unit."""
        return row.pool.text(row.amount)
