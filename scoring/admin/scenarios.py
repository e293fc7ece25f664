"""The staff's what-if: edit a draft beside the live distribution, see its impact, keep scenarios."""

from __future__ import annotations

import json
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ecosystem.admin_base import StaffAdmin
from ecosystem.csv_export import csv_response
from ecosystem.errors import DomainError
from ecosystem.models import User
from ecosystem.roles import may
from scoring import current
from scoring.core.rubric import Rubric
from scoring.drafting import answers, edited, lines, renamed
from scoring.impact import Impact, impact, shadow_header, shadow_rows
from scoring.impact_on_plans import costs, tier_moves
from scoring.models import RubricVersion, Run, Scenario
from scoring.rule_words import worded_differences
from scoring.steps.rubrics import checked, import_rubric
from scoring.steps.scenarios import save_scenario

RUNS_OFFERED = 24


@admin.register(Scenario)
class ScenarioAdmin(StaffAdmin):
    """Saved what-ifs."""

    list_display = ("name", "run", "base", "created_by", "created_at")
    list_select_related = ("run", "base", "created_by")
    search_fields = ("name", "note")
    ordering = ("-created_at", "-pk")
    exclude = ("inputs", "body")

    def get_urls(self) -> list[URLPattern]:
        """Add the what-if itself and the export of a saved one."""
        view = self.admin_site.admin_view
        return [
            path("what-if/", view(self.what_if), name="scoring_scenario_what_if"),
            path("<int:object_id>/shadow.csv", view(self.shadow_csv), name="scoring_scenario_shadow_csv"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to a new what-if."""
        found = super().changelist_view(request, extra_context)
        if hasattr(found, "context_data"):
            start = {"label": _("Try a draft"), "url": reverse("admin:scoring_scenario_what_if")}
            found.context_data["portal_steps"] = [start]
        return found

    def beside(self, request: HttpRequest, row: Scenario) -> dict[str, Any]:
        """Show the impact again, from the inputs kept, and whether it is still the same."""
        made = _again(request, row)
        return {
            "portal_beside": "admin/scenario.html",
            "scenario": row,
            "is_same": made.digest() == row.result_digest,
            "shadow_csv": reverse("admin:scoring_scenario_shadow_csv", args=[row.pk]),
            "edit_url": reverse("admin:scoring_scenario_what_if") + f"?run={row.run_id}&scenario={row.pk}",
            **_shown(request, made),
        }

    def shadow_csv(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Export every provider's shadow score of a saved scenario."""
        return _shadow_csv(request, object_id)

    def what_if(self, request: HttpRequest) -> HttpResponseBase:
        """Edit a draft and see its impact."""
        if not may(request.user, "try_rubric"):
            raise PermissionDenied
        return _what_if(request, self)


@require_safe
def _shadow_csv(request: HttpRequest, object_id: int) -> HttpResponseBase:
    row = Scenario.objects.select_related("run", "base", "inputs").filter(pk=object_id).first()
    if row is None:
        raise Http404
    return _export(_again(request, row))


@require_http_methods(["GET", "HEAD", "POST"])
def _what_if(request: HttpRequest, tables: ScenarioAdmin) -> HttpResponseBase:
    """Read what is asked, take the action, and show the form with the impact of what it says."""
    run = _run(request)
    context: dict[str, Any] = {
        **tables.admin_site.each_context(request),
        "title": _("What if"),
        "opts": tables.opts,
        "runs": Run.objects.provisional().newest_first()[:RUNS_OFFERED],
        "versions": RubricVersion.objects.order_by("-pk"),
        "run": run,
        "may_edit": may(request.user, "edit_rubric"),
    }
    if run is None:
        return render(request, "admin/what_if.html", context)
    draft: Rubric | None = None
    held: dict[str, str] = {}
    try:
        draft = _begun(request, run)
        held = answers(draft)
        if request.method == "POST":
            if "yaml" not in request.POST:
                held |= {name: str(value) for name, value in request.POST.items() if name in held}
                draft = edited(draft, held)
            done = _taken(request, run, draft)
            if done is not None:
                return done
        made = impact(run, draft, user=cast(User, request.user))
        held = answers(draft)
    except DomainError as refusal:
        context |= {"refusal": refusal, "faults": refusal.detail.get("faults"), **_fields(draft, held)}
        context["text"] = request.POST.get("text") or context["text"]
        return render(request, "admin/what_if.html", context, status=422)
    context |= {**_fields(draft, held), **_shown(request, made)}
    return render(request, "admin/what_if.html", context)


def _begun(request: HttpRequest, run: Run) -> Rubric:
    """Return the draft as it stood before the fields were changed: kept in the page as JSON, or sent as text."""
    state = request.POST.get("state")
    if state and "yaml" not in request.POST:
        try:
            kept = json.loads(state)
        except ValueError:
            kept = {}
        return checked(kept if isinstance(kept, dict) else {})
    return checked(request.POST.get("text") or _start(request, run))


def _taken(request: HttpRequest, run: Run, draft: Rubric) -> HttpResponseBase | None:
    """Do what the pressed button asks beside showing the impact; None where that is all."""
    user = cast(User, request.user)
    match request.POST.get("action"):
        case "csv":
            return _export(impact(run, draft, user=user))
        case "save":
            kept = save_scenario(
                run.pk,
                text=draft.to_yaml(),
                name=request.POST.get("name", ""),
                note=request.POST.get("note", ""),
                actor=user,
            )
            messages.success(request, _("The scenario is saved."))
            return redirect("admin:scoring_scenario_change", kept.pk)
        case "keep":
            version = import_rubric(renamed(draft, request.POST.get("version", "").strip()), actor=user)
            messages.success(request, _("The draft is kept as %(version)s.") % {"version": version})
            return redirect("admin:scoring_rubricversion_change", version.pk)
    return None


def _run(request: HttpRequest) -> Run | None:
    """Return the run asked for, else the newest provisional one."""
    asked = request.POST.get("run") or request.GET.get("run", "")
    if not asked.isdecimal():
        return current.current_run()
    found = Run.objects.filter(pk=asked, input__isnull=False).select_related("rubric_version").first()
    if found is None:
        raise Http404
    return found


def _start(request: HttpRequest, run: Run) -> str:
    """Return the text to begin with: of a scenario, of a version, else of the run's own rubric."""
    scenario, version = request.GET.get("scenario", ""), request.GET.get("rubric", "")
    if scenario.isdecimal() and (kept := Scenario.objects.filter(pk=scenario).first()):
        return kept.body
    if version.isdecimal() and (asked := RubricVersion.objects.filter(pk=version).first()):
        return asked.body
    return run.rubric_version.body


def _fields(rubric: Rubric | None, held: dict[str, str]) -> dict[str, Any]:
    """Lay the form's fields out with what they hold; nothing where the draft cannot be read at all."""
    if rubric is None:
        return {"lines": [], "text": ""}
    language = get_language() or "zh-hans"
    rows = [
        {
            "line": line,
            "name": current.name_in(line.name, language) or line.code,
            **{field: held.get(f"{field}-{line.code}") for field in ("weight", "points", "value")},
        }
        for line in lines(rubric)
    ]
    grades = [(grade.code, held.get(f"grade-{grade.code}", "")) for grade in rubric.grades]
    gates = [
        (index, held.get(f"gate-{index}", ""), held.get(f"gate-{index}-grade", ""))
        for index in range(1, len(rubric.gates) + 1)
    ]
    floors = [(floor.grade, held.get(f"floor-{floor.grade}", "")) for floor in rubric.floors]
    return {
        "lines": rows,
        "grades": grades,
        "gates": gates,
        "floors": floors,
        "version": rubric.version,
        "state": json.dumps(rubric.to_dict(), ensure_ascii=False),
        "text": rubric.to_yaml(),
    }


def _shown(request: HttpRequest, made: Impact) -> dict[str, Any]:
    """Work out what the page shows of an impact."""
    sees_cost = may(request.user, "see_cost")
    return {
        "impact": made,
        "differences": worded_differences(made.before.rubric, made.after.rubric),
        "grade_counts": made.grades(),
        "distribution": made.distribution(),
        "moves": made.grade_moves(),
        "tiers": tier_moves(made),
        "categories": made.categories(),
        "costs": costs(made) if sees_cost else None,
        "movers": made.movers(),
    }


def _again(request: HttpRequest, row: Scenario) -> Impact:
    user = cast(User, request.user)
    return impact(row.run, checked(row.body), user=user, base=row.base.as_core(), inputs=row.inputs.as_core())


def _export(made: Impact) -> HttpResponseBase:
    return csv_response(f"what-if-{made.run.as_of}", shadow_header(made), shadow_rows(made))
