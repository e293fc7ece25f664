"""REST endpoints of the staff's what-if: the impact of a draft on a run, and saved scenarios."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import permissions, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecosystem.api import actor
from ecosystem.csv_export import csv_response
from ecosystem.roles import may
from scoring import current
from scoring.api_rubrics import DifferenceSerializer, DraftSerializer, exact
from scoring.core.difference import differences
from scoring.drafting import edited
from scoring.errors import NothingToScore
from scoring.impact import Impact, Matrix, impact, shadow_header, shadow_rows
from scoring.impact_on_plans import costs, tier_moves
from scoring.models import Run, Scenario
from scoring.steps.rubrics import checked
from scoring.steps.scenarios import save_scenario


class MayTry(permissions.IsAuthenticated):
    """Staff who may try drafts."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Refuse everybody else."""
        return super().has_permission(request, view) and may(request.user, "try_rubric")


class WhatIfSerializer(DraftSerializer):
    """A draft, or changes to the run's own rubric.

    edits: fields of the what-if page by name, such as ``weight-LO1``, ``points-LO1`` ("4:0, 15:60, 26:100"),
    ``value-LO1``, ``gate-1``, ``grade-S``; applied to the draft sent, else to the run's own rubric.
    """

    run = serializers.IntegerField(required=False, help_text="A run's id; the newest provisional one when left out.")
    edits = serializers.DictField(child=serializers.CharField(max_length=2000), required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Allow a draft as text or as JSON, not both."""
        if "text" in attrs and "rubric" in attrs:
            raise serializers.ValidationError("Only one of 'text' and 'rubric' can be sent.")
        return attrs


class WhatIfView(APIView):
    """Try a draft on a run's frozen inputs; nothing is stored."""

    permission_classes = (MayTry,)

    @extend_schema(request=WhatIfSerializer, responses={200: OpenApiTypes.OBJECT}, operation_id="what_if")
    def post(self, request: Request) -> Response:
        """Tell winners and losers, migrations, cost in funds and the largest movers, published digits proved."""
        asked = WhatIfSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        run = _run(values.get("run"))
        draft = asked.loaded() if asked.sent() else run.rubric_version.as_core()
        draft = edited(draft, values.get("edits", {}))
        return Response(as_json(impact(run, draft, user=actor(request)), with_costs=may(request.user, "see_cost")))


def _run(pk: int | None) -> Run:
    """Return the run asked for, else the newest provisional one."""
    if pk is not None:
        return get_object_or_404(Run.objects.filter(input__isnull=False).select_related("rubric_version"), pk=pk)
    run = current.current_run()
    if run is None:
        raise NothingToScore("No run has scores yet.")
    return run


def as_json(made: Impact, *, with_costs: bool) -> dict[str, Any]:
    """Lay an impact out; amounts in the pool's unit, None where this reader does not see costs."""
    return {
        "run": str(made.run.pk),
        "as_of": made.run.as_of,
        "digest": made.after.rubric.digest,
        "result_digest": made.digest(),
        "measured_now": made.added,
        "rated_before": made.rated[0],
        "rated_after": made.rated[1],
        "winners": made.comparison.winners,
        "losers": made.comparison.losers,
        "unchanged": made.unchanged,
        "mean_change": exact(made.mean_change),
        "differences": DifferenceSerializer(differences(made.before.rubric, made.after.rubric), many=True).data,
        "grades": [{"grade": code, "before": then, "after": now} for code, then, now in made.grades()],
        "grade_moves": _matrix(made.grade_moves()),
        "tiers": [
            {"plan": plan.code, "tier": band.code, "moves": _matrix(moves)}
            for plan, bands in tier_moves(made)
            for band, moves in bands
        ],
        "categories": exact([asdict(effect) for effect in made.categories()]),
        "costs": [
            {
                "pool": cost.pool.code,
                "unit": cost.pool.unit,
                "granted": cost.granted,
                "projected": cost.projected,
                "cap": cost.pool.cap,
            }
            for cost in costs(made)
        ]
        if with_costs
        else None,
        "movers": [
            {name: exact(value) for name, value in asdict(one).items() if name not in ("row", "provider_id")}
            for one in made.movers()
        ],
    }


def _matrix(matrix: Matrix) -> list[dict[str, Any]]:
    """List the moves that happened."""
    return [
        {"before": row, "after": column, "providers": count}
        for row, cells in zip(matrix.rows, matrix.cells, strict=True)
        for column, count in zip(matrix.columns, cells, strict=True)
        if count
    ]


class ScenarioSerializer(serializers.ModelSerializer[Scenario]):
    """A saved what-if: draft, inputs and result by their digests."""

    id = serializers.CharField(read_only=True)
    run = serializers.CharField(source="run_id", read_only=True)
    inputs = serializers.CharField(source="inputs_id", read_only=True)

    class Meta:
        model = Scenario
        fields = ("id", "name", "note", "run", "digest", "inputs", "result_digest", "created_at", "body")


class NewScenarioSerializer(WhatIfSerializer):
    """A what-if to keep."""

    name = serializers.CharField(max_length=80)
    note = serializers.CharField(required=False, allow_blank=True)


class ScenarioViewSet(viewsets.ReadOnlyModelViewSet[Scenario]):
    """Saved what-ifs, computed again from the inputs kept with them."""

    serializer_class = ScenarioSerializer
    permission_classes = (MayTry,)
    filterset_fields: ClassVar[list[str]] = ["run"]
    queryset = Scenario.objects.none()

    def get_queryset(self) -> QuerySet[Scenario]:
        """List all; who may try drafts may read what others tried."""
        return Scenario.objects.select_related("run__rubric_version", "base", "inputs").order_by("pk")

    @extend_schema(request=NewScenarioSerializer, responses={201: ScenarioSerializer})
    def create(self, request: Request) -> Response:
        """Save a what-if with its inputs and the digest of its result."""
        asked = NewScenarioSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        run = _run(values.get("run"))
        draft = asked.loaded() if asked.sent() else run.rubric_version.as_core()
        text = edited(draft, values.get("edits", {})).to_yaml()
        kept = save_scenario(run.pk, text=text, name=values["name"], note=values.get("note", ""), actor=actor(request))
        return Response(ScenarioSerializer(kept).data, status=201)

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def impact(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell the impact again; ``is_same`` compares the result with the one saved."""
        kept = self.get_object()
        body = as_json(self._again(request, kept), with_costs=may(request.user, "see_cost"))
        return Response({**body, "is_same": body["result_digest"] == kept.result_digest})

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"])
    def shadow(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Export every provider's shadow score as CSV."""
        made = self._again(request, self.get_object())
        return csv_response("shadow-scores", shadow_header(made), shadow_rows(made))

    def _again(self, request: Request, kept: Scenario) -> Impact:
        inputs, base = kept.inputs.as_core(), kept.base.as_core()
        return impact(kept.run, checked(kept.body), user=actor(request), base=base, inputs=inputs)
