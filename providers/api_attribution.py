"""REST: who gets an order, and why."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ecosystem.api import actor
from providers.attribution import RULES, WAYS, Attribution, Claim, Party, attribution
from providers.choices import BindingRole
from providers.models import Merchant, Streamer


class OrderQuery(serializers.Serializer[Any]):
    """An order: whose goods, sold where, on which day."""

    merchant = serializers.CharField()
    streamer = serializers.CharField(required=False)
    day = serializers.DateField()


class PartySerializer(serializers.Serializer[Party]):
    """A provider's part; who it is is empty where this account may not see it."""

    provider = serializers.CharField(source="code")
    name = serializers.CharField(source="provider")
    binding = serializers.CharField(allow_null=True)
    is_lead = serializers.BooleanField()
    share_bp = serializers.IntegerField(help_text="Basis points; the parties of a claim have 10,000 in all.")
    starts_on = serializers.DateField(allow_null=True)
    ends_before = serializers.DateField(allow_null=True)
    confirmed_at = serializers.DateTimeField(allow_null=True)
    consent = serializers.CharField(help_text="Who confirmed, or the evidence an import or a decision carries.")
    gmv_settled_fen = serializers.IntegerField(allow_null=True)


class ClaimSerializer(serializers.Serializer[Claim]):
    """What one role gets, by which way, and by which rule."""

    role = serializers.ChoiceField(choices=BindingRole.choices)
    way = serializers.ChoiceField(choices=list(WAYS.items()))
    rule = serializers.ChoiceField(choices=list(RULES.items()))
    why = serializers.CharField()
    parties = PartySerializer(many=True)


class AttributionSerializer(serializers.Serializer[Attribution]):
    """The answer: roles in the order in which totals ask them."""

    merchant = serializers.CharField(source="merchant.code")
    streamer = serializers.CharField(source="streamer.code", default=None, allow_null=True)
    day = serializers.DateField()
    claims = ClaimSerializer(many=True)


class AttributionView(APIView):
    """Who gets an order, and why."""

    @extend_schema(
        responses=AttributionSerializer,
        parameters=[
            OpenApiParameter("merchant", OpenApiTypes.STR, required=True, description="The merchant's code."),
            OpenApiParameter("day", OpenApiTypes.DATE, required=True, description="The day of the order."),
            OpenApiParameter("streamer", OpenApiTypes.STR, description="The selling room's code; none: no room."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Say for each role who gets the order, with share, binding, consent and the rule that decided."""
        asked = OrderQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        merchant = Merchant.objects.filter(code=values["merchant"]).first()
        streamer = Streamer.objects.filter(code=values["streamer"]).first() if "streamer" in values else None
        if merchant is None or ("streamer" in values and streamer is None):
            raise Http404
        found = attribution(actor(request), merchant, values["day"], streamer)
        if found is None:
            raise Http404
        return Response(AttributionSerializer(found).data)
