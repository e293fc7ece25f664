"""REST endpoints of what we conclude: runs, scores with their explanation, plans with standings, grants, contests."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.api import Pages, actor
from scoring import current
from scoring.explanations import card
from scoring.models import Contest, Grant, Plan, PlanTarget, Progress, Run, Score, Standing
from scoring.models.plans import may_see_plans
from scoring.steps.contest import file_contest


class RunSerializer(serializers.ModelSerializer[Run]):
    """One scoring of the whole population."""

    id = serializers.CharField(read_only=True)
    data_through = serializers.SerializerMethodField()
    rubric = serializers.CharField(source="rubric_version.rubric", read_only=True)
    rubric_version = serializers.CharField(source="rubric_version.version", read_only=True)

    class Meta:
        model = Run
        fields = (
            "id",
            "kind",
            "status",
            "as_of",
            "data_through",
            "cut_off",
            "rubric",
            "rubric_version",
            "input_digest",
            "rated",
            "not_rated",
            "computed_at",
        )

    @extend_schema_field(OpenApiTypes.DATE)
    def get_data_through(self, run: Run) -> date:
        """Return the last business day the windows reach."""
        return run.as_of - timedelta(days=1)


class ScoreSerializer(serializers.ModelSerializer[Score]):
    """The numbers of one provider in one run, as published."""

    id = serializers.CharField(read_only=True)
    provider = serializers.CharField(source="provider_code", read_only=True)
    run = serializers.CharField(source="run_id", read_only=True)
    as_of = serializers.DateField(source="run.as_of", read_only=True)
    kind = serializers.ChoiceField(source="run.kind", choices=Run.Kind.choices, read_only=True)

    class Meta:
        model = Score
        fields = (
            "id",
            "provider",
            "provider_name",
            "run",
            "as_of",
            "kind",
            "status",
            "published",
            "grade",
            "rank",
            "capabilities",
            "flags",
        )


class ContestSerializer(serializers.ModelSerializer[Contest]):
    """An objection to a score and its answer."""

    id = serializers.CharField(read_only=True)
    provider = serializers.CharField(source="provider.code", read_only=True)
    score = serializers.CharField(source="score_id", read_only=True)

    class Meta:
        model = Contest
        fields = ("id", "provider", "score", "node", "text", "status", "created_at", "answer", "answered_at")
        read_only_fields = ("status", "created_at", "answer", "answered_at")


class TargetSerializer(serializers.ModelSerializer[PlanTarget]):
    """One promise of a plan; ``at_least`` and ``below`` in the value's unit."""

    class Meta:
        model = PlanTarget
        fields = ("code", "name_zh", "name_en", "value", "unit", "at_least", "below", "target", "cap")


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A programme and its promises."""

    targets = TargetSerializer(many=True, read_only=True)

    class Meta:
        model = Plan
        fields = ("code", "name_zh", "name_en", "starts_on", "ends_before", "is_closed", "targets")


class ProgressSerializer(serializers.ModelSerializer[Progress]):
    """Where one promise stands."""

    target = serializers.CharField(source="target.code", read_only=True)

    class Meta:
        model = Progress
        fields = ("target", "as_of", "value", "quality_value", "gap", "pace", "is_baseline", "note")


class StandingSerializer(serializers.ModelSerializer[Standing]):
    """Where one provider stands against a plan's tiers."""

    provider = serializers.CharField(source="provider.code", read_only=True)
    provider_name = serializers.CharField(source="provider.name", read_only=True)
    band = serializers.CharField(source="band.code", read_only=True, allow_null=True, default=None)
    next_band = serializers.CharField(source="next_band.code", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Standing
        fields = ("provider", "provider_name", "as_of", "rank", "value", "band", "next_band", "gap", "pace")


class GrantSerializer(serializers.ModelSerializer[Grant]):
    """An amount of a pool for one provider, in the pool's unit."""

    id = serializers.CharField(read_only=True)
    pool = serializers.CharField(source="pool.code", read_only=True)
    unit = serializers.CharField(source="pool.unit", read_only=True)
    provider = serializers.CharField(source="provider.code", read_only=True)

    class Meta:
        model = Grant
        fields = (
            "id",
            "pool",
            "unit",
            "provider",
            "amount",
            "status",
            "reason",
            "granted_on",
            "expires_on",
            "settled_amount",
        )


class NewestRunFirst(Pages):
    """Runs, newest as-of date first."""

    ordering = ("-as_of", "-pk")


class LargestFirst(Pages):
    """Standings, largest value first."""

    ordering = ("-value", "provider_id")


class RunViewSet(viewsets.ReadOnlyModelViewSet[Run]):
    """Runs this account may see: official ones once published, and the daily provisional ones."""

    serializer_class = RunSerializer
    pagination_class = NewestRunFirst
    filterset_fields: ClassVar[list[str]] = ["kind", "status", "as_of"]
    queryset = Run.objects.none()

    def get_queryset(self) -> QuerySet[Run]:
        """Scope by visibility."""
        return Run.objects.visible_to(self.request.user).select_related("rubric_version")


class ScoreViewSet(viewsets.ReadOnlyModelViewSet[Score]):
    """Scores this account may see; without ``run`` the newest provisional run's."""

    serializer_class = ScoreSerializer
    filterset_fields: ClassVar[list[str]] = ["run", "provider__code", "grade", "status"]
    queryset = Score.objects.none()

    def get_queryset(self) -> QuerySet[Score]:
        """Scope by visibility."""
        scores = Score.objects.visible_to(self.request.user).select_related("run")
        if self.action == "list" and not self.request.query_params.get("run"):
            scores = scores.filter(run=current.current_run())
        return scores.order_by("pk")

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def explanation(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Explain a score down to every indicator's value, points, weight, contribution and reason."""
        return Response(asdict(card(self.get_object(), with_path=True)))

    @extend_schema(request=ContestSerializer, responses={201: ContestSerializer})
    @action(detail=True, methods=["post"])
    def contest(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Object to a score, or to one indicator of it; a person answers."""
        asked = ContestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        contest = file_contest(
            self.get_object().pk, text=values["text"], node=values.get("node", ""), actor=actor(request)
        )
        return Response(ContestSerializer(contest).data, status=201)


class ContestViewSet(viewsets.ReadOnlyModelViewSet[Contest]):
    """Contests this account may see."""

    serializer_class = ContestSerializer
    filterset_fields: ClassVar[list[str]] = ["status", "provider__code"]
    queryset = Contest.objects.none()

    def get_queryset(self) -> QuerySet[Contest]:
        """Scope by visibility."""
        return Contest.objects.visible_to(self.request.user).select_related("provider").order_by("pk")


class PlanViewSet(viewsets.ReadOnlyModelViewSet[Plan]):
    """Plans, with progress for staff and machines, and each account's visible standings."""

    serializer_class = PlanSerializer
    lookup_field = "code"
    queryset = Plan.objects.prefetch_related("targets").order_by("pk")

    @extend_schema(responses=ProgressSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def progress(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show where the plan's promises stand on the newest day."""
        plan = self.get_object()
        if not may_see_plans(request.user):
            self.permission_denied(request)
        return Response(ProgressSerializer(current.progress_of(plan), many=True).data)

    @extend_schema(
        responses=StandingSerializer(many=True),
        parameters=[OpenApiParameter("as_of", OpenApiTypes.DATE, description="A day; the newest when left out.")],
    )
    @action(detail=True, methods=["get"], pagination_class=LargestFirst, filter_backends=[])
    def standings(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the visible providers' standings, largest first."""
        plan = self.get_object()
        day = serializers.DateField(required=False).run_validation(
            request.query_params.get("as_of") or current.standings_day(plan)
        )
        standings = (
            Standing.objects.visible_to(request.user)
            .filter(plan=plan, as_of=day)
            .select_related("provider", "band", "next_band")
        )
        page = self.paginate_queryset(cast(Any, standings))
        return self.get_paginated_response(StandingSerializer(cast(Any, page), many=True).data)


class GrantViewSet(viewsets.ReadOnlyModelViewSet[Grant]):
    """Grants this account may see."""

    serializer_class = GrantSerializer
    filterset_fields: ClassVar[list[str]] = ["status", "provider__code", "pool__code"]
    queryset = Grant.objects.none()

    def get_queryset(self) -> QuerySet[Grant]:
        """Scope by visibility."""
        return Grant.objects.visible_to(self.request.user).select_related("pool", "provider").order_by("pk")
