"""Rubrics, runs, scores, plans, budgets and contests for staff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Func, IntegerField, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import ReasonForm, StaffAdmin, Step, StepForm
from ecosystem.models import User
from ecosystem.roles import may
from providers.models import Provider
from scoring import current, review
from scoring.models import (
    Benchmark,
    BudgetPool,
    Contest,
    Entry,
    Grant,
    Plan,
    PlanTarget,
    Progress,
    Publication,
    RubricVersion,
    Run,
    Score,
    Standing,
)
from scoring.models.budgets import Unit
from scoring.steps import contest, fund, publish, rubrics


class RubricForm(StepForm):
    """A rubric file."""

    text = forms.CharField(
        label=_("Rubric (YAML)"),
        widget=forms.Textarea,
        help_text=_("Checked line by line; nothing is kept of a bad one."),
    )


class OpenRunForm(StepForm):
    """The day an official run stands for."""

    as_of = forms.DateField(label=_("as of"), help_text=_("Exclusive: data through the day before."))


class ReviewForm(StepForm):
    """What the reviewer found."""

    note = forms.CharField(
        label=_("Review note"),
        widget=forms.Textarea,
        help_text=_("Coverage, movers and outliers looked at, and why they stand."),
    )


class EndowForm(StepForm):
    """An amount for a pool."""

    amount = forms.IntegerField(label=_("Amount"), min_value=1, help_text=_("In the pool's unit: fen, or impressions."))


class GrantForm(StepForm):
    """A grant to propose."""

    provider = forms.CharField(label=_("Code of the provider"), max_length=40)
    amount = forms.IntegerField(label=_("Amount"), min_value=1, help_text=_("In the pool's unit: fen, or impressions."))
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

    amount = forms.IntegerField(label=_("Amount"), min_value=1)


class ClawBackForm(ReasonForm):
    """How much comes back, and why."""

    amount = forms.IntegerField(label=_("Amount"), min_value=0)


class AnswerForm(StepForm):
    """The answer to a contest."""

    upheld = forms.BooleanField(
        label=_("The objection is right"),
        required=False,
        help_text=_("A corrected fact then leads to a correcting run."),
    )
    answer = forms.CharField(label=_("Answer"), widget=forms.Textarea)


def propose(pool_id: int, *, provider: int, actor: User, **values: Any) -> Grant:
    """Propose a grant from a pool's page."""
    return fund.propose_grant(pool_id, provider_id=provider, actor=actor, **values)


def in_unit(amount: int, unit: str) -> str:
    """Write an amount of a pool in its unit."""
    return numerals.money_text(amount) if unit == Unit.FEN else numerals.count_text(amount)


@admin.register(RubricVersion)
class RubricVersionAdmin(StaffAdmin):
    """The rules, by version."""

    list_display = ("rubric", "version", "status", "published_at", "created_by", "created_at")
    list_display_links = ("version",)
    list_filter = ("status", "rubric")
    list_select_related = ("created_by",)
    search_fields = ("rubric", "version")
    ordering = ("-pk",)
    list_steps: ClassVar = (
        Step(
            "import",
            _("Import a rubric"),
            "edit_rubric",
            lambda *, text, actor: rubrics.import_rubric(text, actor=actor),
            RubricForm,
        ),
    )
    row_steps: ClassVar = (
        Step(
            "publish",
            _("Publish"),
            "edit_rubric",
            rubrics.publish_rubric,
            when=lambda row: row.status not in ("published", "retired"),
            explains=_("From then on its text is immutable and the current score follows it."),
        ),
    )


@admin.register(Run)
class RunAdmin(StaffAdmin):
    """Runs from open to published."""

    list_display = ("as_of", "kind", "status", "rubric_version", "rated", "not_rated", "computed_at")
    list_filter = ("kind", "status")
    list_select_related = ("rubric_version",)
    ordering = ("-as_of", "-pk")
    search_fields = ("input_digest",)
    list_steps: ClassVar = (Step("open", _("Open an official run"), "run_scores", publish.open_run, OpenRunForm),)
    row_steps: ClassVar = (
        Step(
            "freeze",
            _("Freeze the inputs"),
            "run_scores",
            publish.freeze_run,
            when=lambda row: row.kind == Run.Kind.OFFICIAL and row.status == Run.Status.OPEN,
            explains=_("What is known now is kept as the run's input and scored; later facts no longer change it."),
        ),
        Step(
            "review",
            _("Sign the review"),
            "run_scores",
            publish.review_run,
            ReviewForm,
            when=lambda row: row.kind == Run.Kind.OFFICIAL and row.status == Run.Status.COMPUTED,
        ),
        Step(
            "publish",
            _("Publish"),
            "publish",
            publish.publish_run,
            when=lambda row: row.status == Run.Status.REVIEWED,
            explains=_("The numbers become official and immutable, and every provider is told."),
        ),
        Step(
            "correct",
            _("Open a correcting run"),
            "run_scores",
            publish.correct_run,
            when=lambda row: row.status == Run.Status.PUBLISHED,
        ),
    )

    def beside(self, request: HttpRequest, row: Run) -> dict[str, Any]:
        """Show coverage, distribution and movers to whoever signs."""
        if row.status in (Run.Status.OPEN, Run.Status.FROZEN):
            return {}
        return {
            "portal_beside": "admin/run.html",
            "facts": review.review_facts(row),
            "scores_url": reverse("admin:scoring_score_changelist") + f"?run__id__exact={row.pk}",
            "run": row,
        }


@admin.register(Score)
class ScoreAdmin(StaffAdmin):
    """Scores of every run."""

    list_display = ("provider", "published", "grade", "rank", "status", "run")
    list_filter = ("grade", "status", "run__kind")
    list_select_related = ("provider", "run")
    search_fields = ("provider__name", "provider__code")
    ordering = ("-run__as_of", "rank", "provider_id")

    def beside(self, request: HttpRequest, row: Score) -> dict[str, Any]:
        """Lead to the explanation."""
        return {
            "portal_beside": "admin/score.html",
            "score_url": reverse("scoring:score") + f"?provider={row.provider.code}&run={row.run_id}",
        }


@admin.register(Publication)
class PublicationAdmin(StaffAdmin):
    """What was published, by whom, and what superseded it."""

    list_display = ("run", "published_at", "published_by", "digest", "supersedes")
    list_select_related = ("run", "published_by", "supersedes__run")
    ordering = ("-published_at", "-pk")


@admin.register(Plan)
class PlanAdmin(StaffAdmin):
    """Programmes with their promises and named standings."""

    list_display = ("name", "code", "starts_on", "ends_before", "is_closed")
    list_filter = ("is_closed",)
    search_fields = ("code", "name_zh", "name_en")

    @admin.display(description=_("name"))
    def name(self, row: Plan) -> str:
        """Return the name in the reader's language."""
        return row.name_zh if numerals.is_chinese() else row.name_en

    def beside(self, request: HttpRequest, row: Plan) -> dict[str, Any]:
        """Show every promise and the named providers behind it."""
        return {
            "portal_beside": "admin/plan.html",
            "plan": row,
            "progress": current.progress_of(row),
            "bands": self._bands(request, row),
            "pools": row.pools.order_by("code") if may(request.user, "see_money") else [],
            "standings_url": reverse("admin:scoring_standing_changelist") + f"?plan__id__exact={row.pk}",
        }

    def _bands(self, request: HttpRequest, row: Plan) -> list[tuple[PlanTarget, list[Standing], list[Standing]]]:
        """Return the 15 largest of every band, and of those nearest below it."""
        day = current.standings_day(row)
        standings = (
            Standing.objects.visible_to(request.user)
            .filter(plan=row, as_of=day or row.starts_on)
            .select_related("provider", "band", "next_band")
            .order_by("-value", "provider_id")
        )
        bands = [target for target in row.targets.all() if target.counts_providers]
        return [
            (
                band,
                list(standings.filter(band=band)[:15]),
                list(standings.filter(next_band=band).exclude(band=band).order_by("gap", "provider_id")[:8]),
            )
            for band in bands
        ]


@admin.register(Standing)
class StandingAdmin(StaffAdmin):
    """Every provider's standing, by plan and day."""

    list_display = ("rank", "provider", "value_text", "band", "next_band", "gap_text", "pace_text", "as_of", "plan")
    list_display_links = ("provider",)
    list_filter = ("plan", "band", ("as_of", admin.DateFieldListFilter))
    list_select_related = ("plan", "provider", "band", "next_band")
    search_fields = ("provider__name", "provider__code")
    ordering = ("-as_of", "-value", "provider_id")

    @admin.display(description=_("value"), ordering="value")
    def value_text(self, row: Standing) -> str:
        """Return the value in yuan."""
        return numerals.money_text(row.value)

    @admin.display(description=_("missing to the next tier"), ordering="gap")
    def gap_text(self, row: Standing) -> str:
        """Return the gap in yuan."""
        return "—" if row.gap is None else numerals.money_text(row.gap)

    @admin.display(description=_("At the plan's end, at the present pace"), ordering="pace")
    def pace_text(self, row: Standing) -> str:
        """Return the pace in yuan."""
        return "—" if row.pace is None else numerals.money_text(row.pace)


@admin.register(Progress)
class ProgressAdmin(StaffAdmin):
    """Promises by day."""

    list_display = ("target", "as_of", "value", "quality_value", "gap", "pace", "is_baseline", "note")
    list_filter = ("is_baseline", "target__plan")
    list_select_related = ("target__plan",)
    ordering = ("-as_of", "target")


class MoneyAdmin(StaffAdmin):
    """Tables about money are open to those who see money."""

    sight = "see_money"


@admin.register(BudgetPool)
class BudgetPoolAdmin(MoneyAdmin):
    """Pools: cap, available, committed, paid."""

    list_display = ("name", "plan", "unit", "cap_text", "committed_text", "paid_text", "expired_text", "share")
    list_filter = ("unit", "plan")
    list_select_related = ("plan",)
    row_steps: ClassVar = (
        Step("propose", _("Propose a grant"), "propose_grant", propose, GrantForm),
        Step("endow", _("Endow"), "manage_pool", fund.endow, EndowForm),
    )

    @admin.display(description=_("name"))
    def name(self, row: BudgetPool) -> str:
        """Return the name in the reader's language."""
        return row.name_zh if numerals.is_chinese() else row.name_en

    @admin.display(description=_("cap"), ordering="cap")
    def cap_text(self, row: BudgetPool) -> str:
        """Return the cap in the pool's unit."""
        return in_unit(row.cap, row.unit)

    @admin.display(description=_("committed"), ordering="committed")
    def committed_text(self, row: BudgetPool) -> str:
        """Return what is committed."""
        return in_unit(row.committed, row.unit)

    @admin.display(description=_("paid or used"), ordering="paid")
    def paid_text(self, row: BudgetPool) -> str:
        """Return what is paid or used."""
        return in_unit(row.paid, row.unit)

    @admin.display(description=_("expired or clawed back"), ordering="expired")
    def expired_text(self, row: BudgetPool) -> str:
        """Return what came back."""
        return in_unit(row.expired, row.unit)

    @admin.display(description=_("Share of the cap"))
    def share(self, row: BudgetPool) -> str:
        """Return committed over cap."""
        return numerals.percent_text(Decimal(row.committed) / Decimal(row.cap), 1) if row.cap else "—"


@admin.register(Grant)
class GrantAdmin(MoneyAdmin):
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
            fund.settle_grant,
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
            fund.claw_back_grant,
            ClawBackForm,
            when=lambda row: row.status in (Grant.Status.APPROVED, Grant.Status.PAID),
            grave=True,
        ),
    )

    @admin.display(description=_("amount"), ordering="amount")
    def amount_text(self, row: Grant) -> str:
        """Return the amount in the pool's unit."""
        return in_unit(row.amount, row.pool.unit)


@admin.register(Entry)
class EntryAdmin(MoneyAdmin):
    """The double-entry ledger."""

    list_display = ("booked_at", "pool", "account", "amount_text", "grant", "posting")
    list_filter = ("pool", "account")
    list_select_related = ("pool", "grant__provider", "grant__pool")
    ordering = ("-booked_at", "-pk")

    @admin.display(description=_("amount"), ordering="amount")
    def amount_text(self, row: Entry) -> str:
        """Return the signed amount in the pool's unit."""
        return in_unit(row.amount, row.pool.unit)


@admin.register(Contest)
class ContestAdmin(StaffAdmin):
    """Objections that wait for an answer."""

    list_display = ("created_at", "provider", "node", "status", "created_by", "answered_by", "answered_at")
    list_display_links = ("provider",)
    list_filter = ("status",)
    list_select_related = ("provider", "created_by", "answered_by", "score")
    search_fields = ("provider__name", "text")
    ordering = ("status", "created_at", "pk")
    row_steps: ClassVar = (
        Step(
            "answer",
            _("Answer"),
            "answer_contest",
            contest.answer_contest,
            AnswerForm,
            when=lambda row: row.status == Contest.Status.OPEN,
        ),
    )

    def beside(self, request: HttpRequest, row: Contest) -> dict[str, Any]:
        """Lead to the contested score."""
        return {
            "portal_beside": "admin/score.html",
            "score_url": reverse("scoring:score") + f"?provider={row.provider.code}&run={row.score.run_id}",
        }


@admin.register(Benchmark)
class BenchmarkAdmin(StaffAdmin):
    """Frozen category-month benchmarks."""

    list_display = ("measure", "month", "category", "ratio", "size", "frozen_at")
    list_filter = ("measure", "category")
    ordering = ("-month", "measure", "category")
    exclude = ("members",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Benchmark]:
        """Count members in the database."""
        rows: QuerySet[Benchmark] = super().get_queryset(request)
        size = Func("members", function="cardinality", output_field=IntegerField())
        return rows.annotate(n_members=size).defer("members")

    @admin.display(description=_("Median ratio"))
    def ratio(self, row: Benchmark) -> str:
        """Return the ratio to six decimals."""
        return numerals.decimal_text(row.numerator / row.denominator, 6)

    @admin.display(description=_("members"))
    def size(self, row: Any) -> int:
        """Return how many members it was taken over."""
        return int(row.n_members)
