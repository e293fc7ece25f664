"""Runs, scores and the benchmarks they read, for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Func, IntegerField, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import StaffAdmin, Step, StepForm
from ecosystem.templatetags.portal import points
from scoring import review
from scoring.models import Benchmark, Run, Score
from scoring.steps import publish


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
            explains=_(
                "The numbers become official and immutable, and every provider is told."
                " Whoever signed the review cannot publish."
            ),
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

    list_display = ("provider", "points_text", "grade", "rank", "status", "run")
    list_filter = ("grade", "status", "run__kind")
    list_select_related = ("provider", "run")
    search_fields = ("provider__name", "provider__code")
    ordering = ("-run__as_of", "rank", "provider_id")

    @admin.display(description=_("score"), ordering="published")
    def points_text(self, row: Score) -> str:
        """Return the published points as every page writes them."""
        return points(row.published)

    def beside(self, request: HttpRequest, row: Score) -> dict[str, Any]:
        """Lead to the explanation."""
        return {
            "portal_beside": "admin/score.html",
            "score_url": reverse("scoring:score") + f"?provider={row.provider.code}&run={row.run_id}",
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
