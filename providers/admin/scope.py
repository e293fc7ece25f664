"""Tables about one provider a row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from ecosystem.admin_base import StaffAdmin
from providers.models import Provider
from providers.versions import earlier_versions


class VersionedAdmin(StaffAdmin):
    """Tables whose rows say what they said before."""

    hidden_in_versions: ClassVar[Collection[str]] = ()

    def beside(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Show earlier versions."""
        # Whose row it was before may lie outside one's scope.
        others = ("provider",) if request.user.is_authenticated and request.user.is_scoped else ()
        versions = earlier_versions(row, hidden=(*self.hidden_in_versions, *others))
        return {"portal_beside": "admin/versions.html", "versions": versions}


class OfProvidersAdmin(StaffAdmin):
    """Tables about one provider a row: staff with a scope see those of the providers in it."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Scope by the providers one may see."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(provider__in=Provider.objects.visible_to(request.user))
