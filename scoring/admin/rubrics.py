"""Rubric versions and their consultations for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ecosystem.admin_base import StaffAdmin, Step, StepForm
from ecosystem.errors import DomainError
from ecosystem.roles import may
from scoring.dry_run import DryRun, dry_run
from scoring.models import Comment, Consultation, RubricVersion
from scoring.rule_words import worded_differences
from scoring.steps import consult, rubrics
from scoring.steps.rubrics import checked

Status = RubricVersion.Status


class RubricForm(StepForm):
    """A rubric file."""

    text = forms.CharField(
        label=_("Rubric (YAML)"),
        widget=forms.Textarea,
        help_text=_("Checked line by line; nothing is kept of a bad one."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].widget.attrs |= {"rows": 24, "spellcheck": "false"}


class ConsultationForm(StepForm):
    """A period, and what providers read about the draft."""

    starts_on = forms.DateField(label=_("starts on"))
    ends_before = forms.DateField(
        label=_("ends before"), help_text=_("Exclusive: comments are taken through the day before.")
    )
    note = forms.CharField(
        label=_("what changes, and why"),
        widget=forms.Textarea,
        max_length=4000,
        help_text=_("Providers read this word for word."),
    )


@admin.register(RubricVersion)
class RubricVersionAdmin(StaffAdmin):
    """The rules, by version."""

    list_display = ("rubric", "version", "status", "published_at", "created_by", "created_at")
    list_display_links = ("version",)
    list_filter = ("status", "rubric")
    list_select_related = ("created_by",)
    search_fields = ("rubric", "version")
    ordering = ("-pk",)
    exclude = ("body",)
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
            "validate",
            _("Vouch for the dry run"),
            "edit_rubric",
            rubrics.validate_rubric,
            when=lambda row: row.status == Status.DRAFT,
            explains=_("You have looked at what every indicator reads on the latest run, and it is meant so."),
        ),
        Step(
            "consult",
            _("Open a consultation"),
            "edit_rubric",
            consult.open_consultation,
            ConsultationForm,
            when=lambda row: row.status == Status.VALIDATED,
            explains=_("Providers see their shadow score and may comment; the text cannot change meanwhile."),
        ),
        Step(
            "publish",
            _("Publish"),
            "edit_rubric",
            rubrics.publish_rubric,
            when=lambda row: row.status in (Status.VALIDATED, Status.IN_CONSULTATION),
            explains=_("From then on its text is immutable and the current score follows it."),
        ),
        Step(
            "retire",
            _("Retire"),
            "edit_rubric",
            rubrics.retire_rubric,
            when=lambda row: row.status == Status.PUBLISHED,
            explains=_("What was scored by it stays; no new run is made with it."),
            grave=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the export of one version."""
        view = self.admin_site.admin_view(self.yaml)
        return [path("<int:object_id>/rubric.yaml", view, name="scoring_rubricversion_yaml"), *super().get_urls()]

    def yaml(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Export a version's text as it was written."""
        return _yaml(request, object_id)

    def beside(self, request: HttpRequest, row: RubricVersion) -> dict[str, Any]:
        """Show the dry run, what differs from another version, and the consultation's comments."""
        others = list(RubricVersion.objects.exclude(pk=row.pk).filter(rubric=row.rubric).order_by("-pk"))
        asked = request.GET.get("against", "")
        against = next((one for one in others if str(one.pk) == asked), None) or RubricVersion.objects.before(row)
        consultation = row.consultations.order_by("-pk").first()
        return {
            "portal_beside": "admin/rubric.html",
            "version": row,
            "others": others,
            "against": against,
            "differences": worded_differences(against.as_core(), row.as_core()) if against else (),
            "dry_run": _tried(row),
            "yaml_url": reverse("admin:scoring_rubricversion_yaml", args=[row.pk]),
            "try_url": reverse("admin:scoring_scenario_what_if") + f"?rubric={row.pk}",
            "may_try": may(request.user, "try_rubric"),
            "consultation": consultation,
        }


@admin.register(Consultation)
class ConsultationAdmin(StaffAdmin):
    """Drafts before the providers, with their comments."""

    list_display = ("rubric_version", "starts_on", "ends_before", "opened_by", "closed_by", "closed_at")
    list_select_related = ("rubric_version", "opened_by", "closed_by")
    ordering = ("-starts_on", "-pk")
    row_steps: ClassVar = (
        Step(
            "close",
            _("Close the consultation"),
            "edit_rubric",
            consult.close_consultation,
            when=lambda row: row.closed_at is None,
            explains=_("The version is a validated draft again, to be changed or published; the comments stay."),
        ),
    )

    def beside(self, request: HttpRequest, row: Consultation) -> dict[str, Any]:
        """Show the comments, newest first."""
        comments = row.comments.visible_to(request.user).select_related("provider", "created_by")
        return {
            "portal_beside": "admin/consultation.html",
            "consultation": row,
            "comments": comments.order_by("-created_at", "-pk"),
        }


@admin.register(Comment)
class CommentAdmin(StaffAdmin):
    """What providers said of drafts."""

    list_display = ("created_at", "consultation", "provider", "node", "text", "created_by")
    list_display_links = ("created_at",)
    list_filter = ("consultation__rubric_version",)
    list_select_related = ("consultation__rubric_version", "provider", "created_by")
    search_fields = ("text", "provider__name", "provider__code")
    ordering = ("-created_at", "-pk")


@require_safe
def _yaml(request: HttpRequest, object_id: int) -> HttpResponse:
    version = RubricVersion.objects.filter(pk=object_id).first()
    if version is None:
        raise Http404
    answer = HttpResponse(version.body, content_type="application/yaml; charset=utf-8")
    name = f"{version.rubric}-{version.version}.yaml"
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    return answer


def _tried(row: RubricVersion) -> DryRun | None:
    """Try a version on the latest run; None where it does not load any more, or nothing was ever scored."""
    try:
        return dry_run(checked(row.body))
    except DomainError:
        return None
