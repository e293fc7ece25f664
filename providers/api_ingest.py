"""REST endpoints of ingest: feeds with their columns, deliveries, dry runs, batches with row errors and undo."""

from __future__ import annotations

import io
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from typing import Any, BinaryIO, ClassVar, TypedDict, cast

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecosystem.api import Pages, actor
from ecosystem.errors import InvalidInput
from ecosystem.roles import may
from providers.feeds import feeds, layouts
from providers.models import Batch, RowError
from providers.readers.mapping import Mapping, read_mapping
from providers.row_errors import row_errors_csv
from providers.steps.ingest import check, ingest
from providers.steps.undo_batch import undo_batch

IN_MEMORY = 1 << 20
LARGEST = 1 << 30
CHUNK = 1 << 16


class FileParser(BaseParser):
    """Take the body as it is, whatever media type the client names: the reader tells the kind by the bytes."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Copy the body to a temporary file, so that no upload fills the memory."""
        size = 0
        with ExitStack() as unless_whole:
            file = unless_whole.enter_context(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > LARGEST:
                    raise TooLarge(_("The file is larger than 1 GiB; split it by days."))
                file.write(chunk)
            file.seek(0)
            unless_whole.pop_all()  # the endpoint closes it
        return file


class MayIngest(BasePermission):
    """Whoever may deliver facts."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask the table of roles."""
        return may(request.user, "ingest")


class MaySeeBatches(BasePermission):
    """Whoever may look at deliveries."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask the table of roles."""
        return may(request.user, "see_batches")


class ColumnSerializer(serializers.Serializer[Any]):
    """One column of a feed."""

    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["code", "day", "integer", "text", "choice", "flag"])
    help = serializers.SerializerMethodField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    choices = serializers.ListField(child=serializers.CharField())
    minimum = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)

    def get_help(self, column: Any) -> str:
        """Return the help in the reader's language."""
        return _(column.help) if column.help else ""


class LayoutSerializer(serializers.Serializer[Any]):
    """A feed for one kind of subject, with its columns."""

    feed = serializers.CharField()
    subject = serializers.CharField()
    key = serializers.ListField(child=serializers.CharField())
    columns = ColumnSerializer(many=True)


class BatchSerializer(serializers.ModelSerializer[Batch]):
    """A delivery and what became of it."""

    id = serializers.CharField(read_only=True)

    class Meta:
        model = Batch
        fields = (
            "id",
            "source",
            "feed",
            "key",
            "digest",
            "status",
            "rows",
            "rows_added",
            "rows_changed",
            "rows_same",
            "rows_removed",
            "days_changed",
            "providers_touched",
            "errors",
            "warnings",
            "partition",
            "version",
            "replaces",
            "first_day",
            "last_day",
            "received_at",
            "undone_at",
        )


class RowErrorSerializer(serializers.ModelSerializer[RowError]):
    """One fault of a delivered row, or a warning; the header is row 1."""

    class Meta:
        model = RowError
        fields = ("row", "column", "found", "reason", "is_warning")


class CheckedSerializer(serializers.Serializer[Any]):
    """What a delivery would do."""

    accepted = serializers.BooleanField()
    rows = serializers.IntegerField()
    rows_added = serializers.IntegerField()
    rows_changed = serializers.IntegerField()
    rows_same = serializers.IntegerField()
    rows_removed = serializers.IntegerField()
    days_changed = serializers.IntegerField()
    providers_touched = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]
    warnings = serializers.IntegerField()
    faults = serializers.ListField(child=serializers.DictField())
    warned = serializers.ListField(child=serializers.DictField())


COVERS = OpenApiParameter(
    "covers",
    str,
    description="Days delivered, both included, such as 2022-06-01..2022-06-30; else the days in the file.",
)
MAPPING = OpenApiParameter("mapping", str, description="Mapping as YAML text, as docs/bring-your-data.md describes it.")
UNUSUAL = OpenApiParameter("accept_unusual", str, description="A person's reason to let an unusual day pass.")
SOURCE = OpenApiParameter("source", str, description="System the file comes from; “api” when left out.")
WHOLE = [
    OpenApiParameter("replace", bool, description="The file is the whole of its days: rows it leaves out go."),
    OpenApiParameter(
        "partition", str, description="Days it is about: 2022-06-01, 2022-06 or 2022-06-01..2022-06-30; as covers."
    ),
    OpenApiParameter("version", int, description="Which statement of the partition; an older one is refused (409)."),
]
BODY = dict.fromkeys(
    ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet", "application/gzip"), OpenApiTypes.BINARY
)
TRUE, FALSE = frozenset({"1", "true"}), frozenset({"", "0", "false"})


class TooLarge(exceptions.APIException):
    """The body is larger than one delivery may be."""

    status_code = 413
    default_code = "too_large"


def _upload(request: Request) -> BinaryIO:
    """Return the body as a file; a request without one is an empty file, which the reader refuses by name."""
    data = request.data
    return cast(BinaryIO, data) if hasattr(data, "read") else io.BytesIO()


def _covers(request: Request) -> tuple[date, date] | None:
    text = request.query_params.get("covers")
    if not text:
        return None
    try:
        first, last = (date.fromisoformat(part) for part in text.split(".."))
    except ValueError as error:
        raise InvalidInput(
            _("covers needs two days, such as 2022-06-01..2022-06-30; found %(text)s.") % {"text": text}
        ) from error
    return first, last


def _mapping(request: Request) -> Mapping | None:
    text = request.query_params.get("mapping")
    return read_mapping(text) if text else None


class Asked(TypedDict):
    """What the query of a delivery or a dry run says beside the bytes."""

    source: str
    mapping: Mapping | None
    covers: tuple[date, date] | None
    accept_unusual: str
    replace: bool
    partition: str
    version: int | None


def _asked(request: Request) -> Asked:
    said = request.query_params
    replace, version = said.get("replace", "").lower(), said.get("version", "")
    if replace not in TRUE | FALSE:
        raise InvalidInput(_("replace is true or false; found %(text)s.") % {"text": replace})
    if version and not (version.isascii() and version.isdigit() and len(version) < 10):
        raise InvalidInput(_("A version is a whole number from 1, of a partition."))
    return Asked(
        source=said.get("source", "api"),
        mapping=_mapping(request),
        covers=_covers(request),
        accept_unusual=said.get("accept_unusual", ""),
        replace=replace in TRUE,
        partition=said.get("partition", ""),
        version=int(version) if version else None,
    )


class Feeds(APIView):
    """Every feed with its columns: what a file may hold."""

    permission_classes = (MaySeeBatches,)

    @extend_schema(responses=LayoutSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the feeds."""
        return Response(LayoutSerializer([layout for feed in feeds() for layout in layouts(feed)], many=True).data)


class Ingest(APIView):
    """Deliver a file of a feed; delivering it twice is delivering it once."""

    permission_classes = (MayIngest,)
    parser_classes = (FileParser,)

    @extend_schema(
        request=BODY,
        responses={201: BatchSerializer, 422: BatchSerializer},
        parameters=[
            OpenApiParameter(
                "key", str, description="Batch key, unique within source and feed; or partition and version."
            ),
            SOURCE,
            COVERS,
            MAPPING,
            UNUSUAL,
            *WHOLE,
        ],
    )
    def post(self, request: Request, feed: str) -> Response:
        """Take in the body: all of it counts (201), or none of it and the batch names its errors (422)."""
        with _upload(request) as content:
            batch = ingest(
                feed,
                content,
                key=request.query_params.get("key", ""),
                actor=actor(request),
                **_asked(request),
            )
        status = 201 if batch.status == Batch.Status.APPLIED else 422
        return Response(BatchSerializer(batch).data, status=status)


class Check(APIView):
    """Try a file of a feed without keeping anything."""

    permission_classes = (MayIngest,)
    parser_classes = (FileParser,)

    @extend_schema(request=BODY, responses=CheckedSerializer, parameters=[SOURCE, COVERS, MAPPING, UNUSUAL, *WHOLE])
    def post(self, request: Request, feed: str) -> Response:
        """Say what a delivery of the body would do."""
        with _upload(request) as content:
            checked = check(feed, content, actor=actor(request), **_asked(request))
        return Response(CheckedSerializer(asdict(checked)).data)


class NewestFirst(Pages):
    """Batches, newest first."""

    ordering = ("-received_at", "-pk")


class RowOrder(Pages):
    """Row errors in the order of the file."""

    ordering = ("row", "pk")


class BatchViewSet(viewsets.ReadOnlyModelViewSet[Batch]):
    """Deliveries, with their row errors."""

    serializer_class = BatchSerializer
    pagination_class = NewestFirst
    permission_classes = (MaySeeBatches,)
    filterset_fields: ClassVar[list[str]] = ["feed", "source", "status", "key"]
    queryset: QuerySet[Batch] = Batch.objects.all()

    @extend_schema(responses=RowErrorSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=RowOrder, filter_backends=[])
    def errors(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the batch's row errors."""
        page = self.paginate_queryset(cast(Any, self.get_object().row_errors.all()))
        return self.get_paginated_response(RowErrorSerializer(cast(Any, page), many=True).data)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], url_path="errors.csv")
    def errors_csv(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Download the batch's row errors as CSV."""
        return row_errors_csv(self.get_object())

    @extend_schema(request=None, responses=BatchSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Take the batch back: every row returns to what was known before it."""
        return Response(BatchSerializer(undo_batch(self.get_object().pk, actor=actor(request))).data)
