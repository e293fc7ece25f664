"""REST endpoints of rubrics: read, import, export, diff, dry run, and the steps of a version's life."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.api import actor
from ecosystem.errors import InvalidInput
from ecosystem.roles import require
from scoring.core.difference import differences
from scoring.core.rubric import Rubric
from scoring.dry_run import DryRun, dry_run
from scoring.models import RubricVersion
from scoring.steps.rubrics import checked, import_rubric, publish_rubric, retire_rubric, validate_rubric

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecosystem.models import User

WHICH = OpenApiParameter("rubric", str, description="The rubric's code, where several rubrics have such a version.")


class RubricSerializer(serializers.ModelSerializer[RubricVersion]):
    """A version of the rules; ``body`` is the YAML text they were written as."""

    class Meta:
        model = RubricVersion
        fields = ("rubric", "version", "status", "digest", "published_at", "body")


class DraftSerializer(serializers.Serializer[Any]):
    """A rubric: either its YAML as ``text`` or the same shape as JSON in ``rubric``."""

    text = serializers.CharField(required=False, trim_whitespace=False, max_length=1_000_000)
    rubric = serializers.DictField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for one of the two."""
        if ("text" in attrs) == ("rubric" in attrs):
            raise serializers.ValidationError("Exactly one of 'text' and 'rubric' is needed.")
        return attrs

    def sent(self) -> str | dict[str, Any]:
        """Return what was sent."""
        return self.validated_data.get("text") or self.validated_data.get("rubric") or ""

    def loaded(self) -> Rubric:
        """Load what was sent, or refuse with every fault named."""
        return checked(self.sent())


def asked_draft(request: Request) -> DraftSerializer:
    """Read a rubric that was sent."""
    asked = DraftSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked


class DifferenceSerializer(serializers.Serializer[Any]):
    """One field of one item; ``code`` empty: the rubric as a whole, ``field`` empty: the item came or went."""

    code = serializers.CharField()
    field = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


def exact(value: Any) -> Any:
    """Write decimals as strings: as JSON numbers they would lose their digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {name: exact(one) for name, one in value.items()}
    return [exact(one) for one in value] if isinstance(value, list | tuple) else value


def version_named(version: str, rubric: str, *, user: User) -> RubricVersion:
    """Return the one version of this name that the user may read; ``rubric`` may be left out where that is one."""
    rows = RubricVersion.objects.visible_to(user).filter(version=version)
    found = list((rows.filter(rubric=rubric) if rubric else rows).order_by("pk"))
    if not found:
        raise Http404
    if len(found) > 1:
        known = ", ".join(row.rubric for row in found)
        raise InvalidInput(
            _("Several rubrics have a version %(version)s: %(known)s; name one of them as 'rubric'.")
            % {"version": version, "known": known}
        )
    return found[0]


@extend_schema_view(retrieve=extend_schema(parameters=[WHICH]))
class RubricViewSet(viewsets.ReadOnlyModelViewSet[RubricVersion]):
    """Rubric versions: the rules by which scores are made; staff see drafts too."""

    serializer_class = RubricSerializer
    lookup_field = "version"
    lookup_value_regex = "[^/]+"
    filterset_fields: ClassVar[list[str]] = ["rubric", "status"]
    queryset = RubricVersion.objects.none()

    def get_queryset(self) -> QuerySet[RubricVersion]:
        """Scope by visibility."""
        return RubricVersion.objects.visible_to(self.request.user).order_by("pk")

    def get_object(self) -> RubricVersion:
        """Return the version named in the address."""
        rubric = self.request.query_params.get("rubric", "")
        return version_named(self.kwargs["version"], rubric, user=actor(self.request))

    @extend_schema(request=DraftSerializer, responses={201: RubricSerializer})
    def create(self, request: Request) -> Response:
        """Keep a rubric as a draft; a draft of the same version is replaced, a published one never changes."""
        require(actor(request), "edit_rubric")
        asked = asked_draft(request)
        sent = asked.sent()
        version = import_rubric(sent if isinstance(sent, str) else asked.loaded().to_yaml(), actor=actor(request))
        return Response(RubricSerializer(version).data, status=201)

    @extend_schema(request=DraftSerializer, responses={200: OpenApiTypes.OBJECT})
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=[])
    def validate(self, request: Request) -> Response:
        """Check a rubric and try it on the latest run, keeping nothing: what every indicator reads, and the grades."""
        require(actor(request), "try_rubric")
        rubric = asked_draft(request).loaded()
        found = dry_run(rubric)
        if found is None:
            return Response({"digest": rubric.digest, "run": None})
        return Response({"digest": rubric.digest, **_as_json(found)})

    @extend_schema(operation_id="rubrics_vouch", request=None, responses=RubricSerializer, parameters=[WHICH])
    @action(detail=True, methods=["post"], url_path="validate", filter_backends=[])
    def vouch(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Vouch for a draft whose dry run was looked at: it is validated from then on."""
        return self._taken(validate_rubric)

    @extend_schema(request=None, responses=RubricSerializer, parameters=[WHICH])
    @action(detail=True, methods=["post"], filter_backends=[])
    def publish(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Freeze a validated version; from then on the current score follows it."""
        return self._taken(publish_rubric)

    @extend_schema(request=None, responses=RubricSerializer, parameters=[WHICH])
    @action(detail=True, methods=["post"], filter_backends=[])
    def retire(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take a published version out of use; what was scored by it stays."""
        return self._taken(retire_rubric)

    def _taken(self, step: Callable[..., RubricVersion]) -> Response:
        user = actor(self.request)
        require(user, "edit_rubric")
        return Response(RubricSerializer(step(self.get_object().pk, actor=user)).data)

    @extend_schema(responses={(200, "application/yaml"): OpenApiTypes.STR}, parameters=[WHICH])
    @action(detail=True, methods=["get"], filter_backends=[])
    def yaml(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Export a version's text as it was written."""
        return HttpResponse(self.get_object().body, content_type="application/yaml; charset=utf-8")

    @extend_schema(
        responses=DifferenceSerializer(many=True),
        parameters=[
            WHICH,
            OpenApiParameter("against", str, description="A version; the one published before when left out."),
        ],
    )
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def diff(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Say what this version says differently from another, by code and field."""
        after = self.get_object()
        rows = RubricVersion.objects.visible_to(request.user).filter(rubric=after.rubric)
        asked = request.query_params.get("against")
        before = get_object_or_404(rows, version=asked) if asked else rows.before(after)
        found = differences(before.as_core(), after.as_core()) if before else ()
        return Response(DifferenceSerializer(found, many=True).data)


def _as_json(found: DryRun) -> dict[str, Any]:
    written: dict[str, Any] = {
        "run": str(found.run.pk),
        "as_of": found.run.as_of,
        "rated": found.rated,
        "not_rated": found.not_rated,
        "blocked": found.blocked,
        "grades": dict(found.grades),
        "never_varies": found.still,
        "measured_now": found.added,
        "known_of_nobody": found.unavailable,
        "indicators": exact([asdict(reading) for reading in found.readings]),
    }
    return written
