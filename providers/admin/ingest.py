"""Deliveries for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from ecosystem.admin_base import StaffAdmin, Step
from providers.feeds import feed_name
from providers.models import Batch
from providers.row_errors import row_errors_csv
from providers.steps.undo_batch import undo_batch


@admin.register(Batch)
class BatchAdmin(StaffAdmin):
    """Deliveries: what was applied, what was refused and why, and the way back."""

    sight = "see_batches"
    list_display = (
        "received_at",
        "feed_text",
        "key",
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
        "first_day",
        "last_day",
    )
    list_display_links = ("key",)
    list_filter = ("status", "feed", "source")
    search_fields = ("key", "file_name")
    ordering = ("-received_at", "-pk")

    row_steps: ClassVar = (
        Step(
            "undo",
            _("Undo"),
            "undo_batch",
            undo_batch,
            when=lambda row: row.status == Batch.Status.APPLIED,
            explains=_(
                "Every row goes back to what was known before this batch; the providers it touched are rolled up again."
            ),
            grave=True,
        ),
    )

    @admin.display(description=_("feed"), ordering="feed")
    def feed_text(self, row: Batch) -> str:
        """Name the feed."""
        return feed_name(row.feed)

    def get_urls(self) -> list[URLPattern]:
        """Add the download of row errors."""
        errors = path(
            "<int:object_id>/errors.csv", self.admin_site.admin_view(self.errors_csv), name="providers_batch_errors"
        )
        return [errors, *super().get_urls()]

    def errors_csv(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Download the batch's row errors."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        return row_errors_csv(get_object_or_404(self.get_queryset(request), pk=object_id))

    def beside(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        """Show the first row errors."""
        return {
            "portal_beside": "admin/batch.html",
            "row_errors": row.row_errors.order_by("row", "pk")[:50],
            "errors_url": reverse("admin:providers_batch_errors", args=[row.pk]),
        }
