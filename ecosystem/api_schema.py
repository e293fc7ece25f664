"""The OpenAPI schema: the bearer token and the error answers that every endpoint has.

Apart from ``ecosystem.api``, whose classes DRF loads while its views are still being defined.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import translation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tell the schema about the bearer token."""

    target_class = "ecosystem.api.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer"}


class EnglishGenerator(SchemaGenerator):
    """One schema for all: in English, whatever the reader's language."""

    def get_schema(self, *args: Any, **kwargs: Any) -> Any:
        """Generate the schema in English."""
        with translation.override("en"):
            return super().get_schema(*args, **kwargs)  # type: ignore[no-untyped-call]


class ProblemSerializer(serializers.Serializer[Any]):
    """An error as RFC 9457 writes it."""

    type = serializers.CharField(help_text="Stable code of the error, as a URN.")
    title = serializers.CharField(help_text="What went wrong, for a person.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What was found and what was needed.")
    errors = serializers.JSONField(  # type: ignore[assignment]
        required=False, help_text="Per field or row, where there are several."
    )


class Schema(AutoSchema):
    """The OpenAPI schema of an endpoint, error answers included."""

    ERRORS: ClassVar[dict[str, str]] = {
        "401": "No valid sign-in.",
        "403": "Not allowed for this role.",
        "404": "Not there, or not yours to see.",
    }
    REFUSALS: ClassVar[dict[str, str]] = {
        "409": "Refused by a rule of the domain.",
        "422": "Values that cannot be used.",
    }

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        errors = self.ERRORS if self.method == "GET" else self.ERRORS | self.REFUSALS
        for status, text in errors.items():
            if status not in bodies:
                bodies[status] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    OpenApiResponse(ProblemSerializer, description=text), status, ["application/problem+json"]
                )
        return bodies
