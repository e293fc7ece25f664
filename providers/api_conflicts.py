"""REST: conflict cases of bindings."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, QuerySet
from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.api import actor
from ecosystem.roles import require
from providers import documents
from providers.api import named_subject
from providers.choices import BindingRole
from providers.models import Conflict, Evidence, Provider
from providers.shares import WHOLE
from providers.steps import conflict
from providers.steps.bind import BINDERS
from providers.steps.members import require_member

PAPER = "A paper that shows it: PDF, PNG or JPEG of at most 10 MB, sent as multipart/form-data."


class EvidenceSerializer(serializers.ModelSerializer[Evidence]):
    """What one side says; its paper is opened by the side that brought it and by the arbiter."""

    id = serializers.CharField(read_only=True)
    by_claimant = serializers.SerializerMethodField()
    has_paper = serializers.BooleanField(source="file", read_only=True)

    class Meta:
        model = Evidence
        fields = ("id", "by_claimant", "text", "has_paper", "created_at")

    def get_by_claimant(self, row: Evidence) -> bool:
        """Tell which side says it."""
        return row.provider_id == row.conflict.claimant_id


class ConflictSerializer(serializers.ModelSerializer[Conflict]):
    """A claim to days that another provider's binding holds; ``holder`` is null where this account may not see it."""

    id = serializers.CharField(read_only=True)
    claimant = serializers.CharField(source="claimant.code", read_only=True)
    holder = serializers.SerializerMethodField()
    merchant = serializers.CharField(source="binding.merchant.code", default=None, read_only=True, allow_null=True)
    streamer = serializers.CharField(source="binding.streamer.code", default=None, read_only=True, allow_null=True)
    role = serializers.ChoiceField(source="binding.role", choices=BindingRole.choices, read_only=True)
    starts_on = serializers.DateField(source="period.lower", read_only=True)
    ends_before = serializers.DateField(source="period.upper", read_only=True, allow_null=True)
    evidence = EvidenceSerializer(many=True, read_only=True)

    class Meta:
        model = Conflict
        fields = (
            "id",
            "claimant",
            "holder",
            "merchant",
            "streamer",
            "role",
            "starts_on",
            "ends_before",
            "status",
            "answer_by",
            "share_bp",
            "reason",
            "decided_at",
            "evidence",
        )

    def get_holder(self, row: Any) -> str | None:
        """Return the code of the provider whose days are claimed."""
        return row.binding.provider.code if row.shows_holder else None


class ClaimSerializer(serializers.Serializer[Any]):
    """Days to claim, and why."""

    provider = serializers.CharField(help_text="Code of the claiming provider.")
    merchant = serializers.CharField(required=False, help_text="Code of the merchant; or name a streamer.")
    streamer = serializers.CharField(required=False, help_text="Code of the streamer; or name a merchant.")
    role = serializers.ChoiceField(choices=BindingRole.choices)
    starts_on = serializers.DateField()
    ends_before = serializers.DateField(required=False, allow_null=True, default=None)
    text = serializers.CharField(max_length=2000)
    file = serializers.FileField(required=False, help_text=PAPER)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one subject."""
        if bool(attrs.get("merchant")) == bool(attrs.get("streamer")):
            raise serializers.ValidationError(_("Name either a merchant or a streamer."))
        return attrs


class StatementSerializer(serializers.Serializer[Any]):
    """What one side says."""

    provider = serializers.CharField(help_text="Code of the provider that says it.")
    text = serializers.CharField(max_length=2000)
    file = serializers.FileField(required=False, help_text=PAPER)


class DecisionSerializer(serializers.Serializer[Any]):
    """How the arbiter decides."""

    outcome = serializers.ChoiceField(
        choices=[Conflict.Status.DISMISSED, Conflict.Status.MOVED, Conflict.Status.SHARED],
        help_text="The binding stays, the days go to the claimant, or the claimant has a share of them.",
    )
    share_bp = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=WHOLE - 1,
        help_text="Only where the days are shared: the claimant's part in basis points.",
    )
    reason = serializers.CharField(max_length=2000, help_text="Both sides read it word for word.")


@extend_schema_view(create=extend_schema(request=ClaimSerializer, responses={201: ConflictSerializer}))
class ConflictViewSet(mixins.CreateModelMixin, viewsets.ReadOnlyModelViewSet[Conflict]):
    """Conflicts in which a provider this account may see has a side."""

    serializer_class = ConflictSerializer
    parser_classes = (JSONParser, MultiPartParser)
    filterset_fields: ClassVar[list[str]] = ["status"]
    queryset = Conflict.objects.none()

    def get_queryset(self) -> QuerySet[Conflict]:
        """Scope by visibility."""
        visible = Provider.objects.visible_to(self.request.user)
        return (
            Conflict.objects.visible_to(self.request.user)
            .annotate(shows_holder=Exists(visible.filter(pk=OuterRef("binding__provider"))))
            .select_related("claimant", "binding__provider", "binding__merchant", "binding__streamer")
            .prefetch_related("evidence__conflict")
            .order_by("pk")
        )

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Claim days."""
        asked = ClaimSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        provider = self._provider(values["provider"])
        # Before the other side is looked up: whoever may not claim learns nothing about codes.
        require_member(actor(request), provider.pk, *BINDERS)
        made = conflict.open_conflict(
            provider.pk,
            subject=named_subject(values),
            role=BindingRole(values["role"]),
            starts_on=values["starts_on"],
            ends_before=values["ends_before"],
            text=values["text"],
            file=values.get("file"),
            actor=actor(request),
        )
        return Response(self._told(made.pk), status=201)

    @extend_schema(request=StatementSerializer, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def evidence(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say something for one of the two sides, with a paper that shows it."""
        found = self.get_object()
        asked = StatementSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        side = self._provider(values["provider"])
        conflict.add_evidence(
            found.pk, provider_id=side.pk, text=values["text"], file=values.get("file"), actor=actor(request)
        )
        return Response(self._told(found.pk))

    @extend_schema(
        parameters=[OpenApiParameter("evidence_id", OpenApiTypes.INT, OpenApiParameter.PATH)],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"], url_path=r"papers/(?P<evidence_id>\d+)")
    def paper(self, request: Request, *args: Any, evidence_id: str, **kwargs: Any) -> FileResponse:
        """Hand out a paper to the side that brought it and to the arbiter."""
        papers = conflict.papers(actor(request)).filter(conflict=self.get_object())
        return documents.download(get_object_or_404(papers, pk=evidence_id), "evidence")

    @extend_schema(request=DecisionSerializer, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Decide as the arbiter: dismiss the claim, move the days, or share them."""
        found = self.get_object()
        require(actor(request), "decide_conflict")
        asked = DecisionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        conflict.decide_conflict(found.pk, actor=actor(request), **asked.validated_data)
        return Response(self._told(found.pk))

    @extend_schema(request=None, responses=ConflictSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take a claim back."""
        found = self.get_object()
        conflict.withdraw_conflict(found.pk, actor=actor(request))
        return Response(self._told(found.pk))

    def _provider(self, code: str) -> Provider:
        provider = Provider.objects.visible_to(self.request.user).filter(code=code).first()
        if provider is None:
            raise serializers.ValidationError({"provider": [_("There is no such provider here.")]})
        return provider

    def _told(self, conflict_id: int) -> Any:
        return ConflictSerializer(self.get_queryset().get(pk=conflict_id)).data
