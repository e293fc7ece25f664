"""REST endpoints of consultations: open and close, shadow scores and comments."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.api import actor
from ecosystem.roles import require
from providers.models import Provider
from providers.models.members import READS_SCORES
from scoring.api_rubrics import exact, version_named
from scoring.models import Comment, Consultation
from scoring.shadow import shadow_of
from scoring.steps.consult import close_consultation, comment, open_consultation


class ConsultationSerializer(serializers.ModelSerializer[Consultation]):
    """A draft before the providers for [starts_on, ends_before)."""

    id = serializers.CharField(read_only=True)
    rubric = serializers.CharField(source="rubric_version.rubric", read_only=True)
    rubric_version = serializers.CharField(source="rubric_version.version", read_only=True)
    is_running = serializers.BooleanField(read_only=True)

    class Meta:
        model = Consultation
        fields = ("id", "rubric", "rubric_version", "note", "starts_on", "ends_before", "closed_at", "is_running")


class OpeningSerializer(serializers.ModelSerializer[Consultation]):
    """A validated version put before the providers for [starts_on, ends_before)."""

    version = serializers.CharField(help_text="A version that somebody has vouched for.")
    rubric = serializers.CharField(required=False, help_text="Its rubric's code, where several have such a version.")

    class Meta:
        model = Consultation
        fields = ("version", "rubric", "note", "starts_on", "ends_before")


class CommentSerializer(serializers.ModelSerializer[Comment]):
    """What a provider says of a draft, or of one indicator or capability of it."""

    provider = serializers.CharField(source="provider.code")

    class Meta:
        model = Comment
        fields = ("provider", "node", "text", "created_at")
        read_only_fields = ("created_at",)


class ConsultationViewSet(viewsets.ReadOnlyModelViewSet[Consultation]):
    """Consultations that have begun; staff see those to come too."""

    serializer_class = ConsultationSerializer
    filterset_fields: ClassVar[list[str]] = ["starts_on"]
    queryset = Consultation.objects.none()

    def get_queryset(self) -> QuerySet[Consultation]:
        """Scope by visibility."""
        return Consultation.objects.visible_to(self.request.user).select_related("rubric_version").order_by("pk")

    @extend_schema(request=OpeningSerializer, responses={201: ConsultationSerializer})
    def create(self, request: Request) -> Response:
        """Put a validated version before the providers; their owners and analysts are told."""
        user = actor(request)
        require(user, "edit_rubric")
        asked = OpeningSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        version = version_named(values.pop("version"), values.pop("rubric", ""), user=user)
        return Response(ConsultationSerializer(open_consultation(version.pk, **values, actor=user)).data, status=201)

    @extend_schema(request=None, responses=ConsultationSerializer)
    @action(detail=True, methods=["post"], filter_backends=[])
    def close(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End a consultation; its version is a validated draft again, to be changed or published."""
        user = actor(request)
        require(user, "edit_rubric")
        return Response(ConsultationSerializer(close_consultation(self.get_object().pk, actor=user)).data)

    @extend_schema(
        responses={200: OpenApiTypes.OBJECT},
        parameters=[OpenApiParameter("provider", str, description="A provider's code; needed unless there is one.")],
    )
    @action(detail=True, methods=["get"], filter_backends=[])
    def shadow(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tell what the draft would give a provider on the same facts; not published, and not in force."""
        consultation = self.get_object()
        readable = Provider.objects.readable_by(request.user)
        code = request.query_params.get("provider")
        provider = get_object_or_404(readable, code=code) if code else readable.order_by("pk").first()
        if provider is None:
            raise PermissionDenied
        found = shadow_of(provider.pk, consultation)
        head = {"provider": provider.code, "is_shadow": True}
        if found is None:
            return Response({**head, "score": None})
        return Response(
            {
                **head,
                "as_of": found.run.as_of,
                "score_in_force": exact(found.before),
                "score": exact(found.after),
                "grade_in_force": found.grade_before,
                "grade": found.grade_after,
                "items": exact([asdict(line) for line in found.lines]),
            }
        )

    @extend_schema(methods=["get"], responses=CommentSerializer(many=True))
    @extend_schema(methods=["post"], request=CommentSerializer, responses={201: CommentSerializer})
    @action(detail=True, methods=["get", "post"], pagination_class=None, filter_backends=[])
    def comments(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the comments this account may see, or write one for one's own provider."""
        consultation = self.get_object()
        if request.method == "GET":
            rows = Comment.objects.visible_to(request.user).filter(consultation=consultation)
            found = rows.select_related("provider").order_by("created_at", "pk")
            return Response(CommentSerializer(found, many=True).data)
        user = actor(request)
        own = Provider.objects.filter(memberships__user=user, memberships__role__in=READS_SCORES)
        if not own.exists():
            raise PermissionDenied
        asked = CommentSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        provider = get_object_or_404(own, code=values["provider"]["code"])
        made = comment(
            consultation.pk, provider_id=provider.pk, text=values["text"], node=values.get("node", ""), actor=user
        )
        return Response(CommentSerializer(made).data, status=201)
