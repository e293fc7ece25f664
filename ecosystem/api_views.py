"""REST endpoints of the ground: who am I, and what is not there."""

from __future__ import annotations

from typing import Any

from django.http import Http404
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


class Nothing(APIView):
    """Every address of the interface that leads nowhere: a problem, not a page."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say so, whatever the method."""
        raise Http404
