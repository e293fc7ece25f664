"""Publications and the contests against them, for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ecosystem.admin_base import StaffAdmin, Step, StepForm
from scoring.models import Contest, Publication
from scoring.steps import contest, publish


class AnswerForm(StepForm):
    """The answer to a contest."""

    upheld = forms.BooleanField(
        label=_("The objection is right"),
        required=False,
        help_text=_("Once the fact is corrected, re-run the provider from this page."),
    )
    answer = forms.CharField(label=_("Answer"), widget=forms.Textarea)


@admin.register(Publication)
class PublicationAdmin(StaffAdmin):
    """What was published, by whom, and what superseded it."""

    list_display = ("run", "published_at", "published_by", "digest", "supersedes")
    list_select_related = ("run", "published_by", "supersedes__run")
    ordering = ("-published_at", "-pk")


@admin.register(Contest)
class ContestAdmin(StaffAdmin):
    """Objections that wait for an answer."""

    list_display = ("created_at", "provider", "node", "status", "created_by", "answered_by", "answered_at")
    list_display_links = ("provider",)
    list_filter = ("status",)
    list_select_related = ("provider", "created_by", "answered_by", "score__run")
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
        Step(
            "rerun",
            _("Re-run the provider of an appeal"),
            "run_scores",
            publish.rerun_contested,
            when=lambda row: row.status == Contest.Status.UPHELD and row.score.run.is_official,
            explains=_(
                "Opens a correcting run: this provider's inputs are read anew, everybody else keeps the published ones."
            ),
        ),
    )

    def beside(self, request: HttpRequest, row: Contest) -> dict[str, Any]:
        """Lead to the contested score."""
        return {
            "portal_beside": "admin/score.html",
            "score_url": reverse("scoring:score") + f"?provider={row.provider.code}&run={row.score.run_id}",
        }
