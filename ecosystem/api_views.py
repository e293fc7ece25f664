"""REST endpoints of the ground: who am I."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecosystem.api import actor
from ecosystem.models import User


class MeSerializer(serializers.ModelSerializer[User]):
    """The account that called."""

    class Meta:
        model = User
        fields = ("email", "name", "role", "language")


class Me(APIView):
    """The account behind the token or session: the first call an integrator makes."""

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the calling account."""
        return Response(MeSerializer(actor(request)).data)
