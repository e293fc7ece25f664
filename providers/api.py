"""REST endpoints of what happened: providers, merchants, streamers, bindings, feeds, batches."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.api import actor
from providers.choices import BindingRole
from providers.models import Binding, Merchant, Provider, Streamer
from providers.shares import WHOLE
from providers.steps import bind, split


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    """A provider."""

    class Meta:
        model = Provider
        fields = (
            "code",
            "name",
            "category",
            "goods_category",
            "status",
            "country",
            "credit_code",
            "province",
            "city",
            "approved_on",
            "ended_on",
        )


class MerchantSerializer(serializers.ModelSerializer[Merchant]):
    """A merchant."""

    class Meta:
        model = Merchant
        fields = ("code", "name", "category", "country", "province", "city", "opened_on")


class StreamerSerializer(serializers.ModelSerializer[Streamer]):
    """A live account; the real person behind it is not shown."""

    merchant = serializers.SlugRelatedField[Merchant](slug_field="code", read_only=True, allow_null=True)

    class Meta:
        model = Streamer
        fields = ("code", "name", "merchant", "category", "province", "followers")


class BindingSerializer(serializers.ModelSerializer[Binding]):
    """A service binding; ``ends_before`` is exclusive, null while it runs on."""

    id = serializers.CharField(read_only=True)
    provider = serializers.SlugRelatedField[Provider](slug_field="code", read_only=True)
    merchant = serializers.SlugRelatedField[Merchant](slug_field="code", read_only=True, allow_null=True)
    streamer = serializers.SlugRelatedField[Streamer](slug_field="code", read_only=True, allow_null=True)
    starts_on = serializers.DateField(source="period.lower", read_only=True)
    ends_before = serializers.DateField(source="period.upper", read_only=True, allow_null=True)
    lead = serializers.CharField(source="lead_id", read_only=True, allow_null=True)
    transfer_of = serializers.CharField(source="transfer_of_id", read_only=True, allow_null=True)

    class Meta:
        model = Binding
        fields = (
            "id",
            "provider",
            "merchant",
            "streamer",
            "role",
            "starts_on",
            "ends_before",
            "status",
            "term_ends_on",
            "lead",
            "share_bp",
            "transfer_of",
            "cool_down_until",
            "confirmed_at",
            "evidence",
        )


class ProposalSerializer(serializers.Serializer[Any]):
    """A binding to propose; the other side gets a signed link."""

    provider = serializers.CharField(help_text="Code of the provider.")
    merchant = serializers.CharField(required=False, help_text="Code of the merchant; or name a streamer.")
    streamer = serializers.CharField(required=False, help_text="Code of the streamer; or name a merchant.")
    role = serializers.ChoiceField(choices=BindingRole.choices)
    starts_on = serializers.DateField()
    term_ends_on = serializers.DateField(required=False, allow_null=True, default=None)
    takes_over = serializers.BooleanField(
        default=False, help_text="A transfer: the present binding ends on the first day, after the cool-down."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for exactly one subject."""
        if bool(attrs.get("merchant")) == bool(attrs.get("streamer")):
            raise serializers.ValidationError(_("Name either a merchant or a streamer."))
        return attrs


class ShareSerializer(serializers.Serializer[Any]):
    """A share to offer; the lead keeps the rest."""

    provider = serializers.CharField(help_text="Code of the provider.")
    share_bp = serializers.IntegerField(min_value=1, max_value=WHOLE - 1, help_text="Basis points of 10,000.")
    starts_on = serializers.DateField()
    ends_before = serializers.DateField(required=False, allow_null=True, default=None)


class EndSerializer(serializers.Serializer[Any]):
    """The first day on which the binding no longer holds."""

    ends_before = serializers.DateField()


class ProviderViewSet(viewsets.ReadOnlyModelViewSet[Provider]):
    """Providers this account may see."""

    serializer_class = ProviderSerializer
    lookup_field = "code"
    lookup_value_regex = "[^/]+"
    filterset_fields: ClassVar[list[str]] = ["status", "category", "province"]
    queryset = Provider.objects.none()

    def get_queryset(self) -> QuerySet[Provider]:
        """Scope by visibility."""
        return Provider.objects.visible_to(self.request.user).order_by("pk")


class MerchantViewSet(viewsets.ReadOnlyModelViewSet[Merchant]):
    """Merchants this account may see."""

    serializer_class = MerchantSerializer
    lookup_field = "code"
    lookup_value_regex = "[^/]+"
    filterset_fields: ClassVar[list[str]] = ["category", "province"]
    queryset = Merchant.objects.none()

    def get_queryset(self) -> QuerySet[Merchant]:
        """Scope by visibility."""
        return Merchant.objects.visible_to(self.request.user).order_by("pk")


class StreamerViewSet(viewsets.ReadOnlyModelViewSet[Streamer]):
    """Streamers this account may see."""

    serializer_class = StreamerSerializer
    lookup_field = "code"
    lookup_value_regex = "[^/]+"
    filterset_fields: ClassVar[list[str]] = ["category"]
    queryset = Streamer.objects.none()

    def get_queryset(self) -> QuerySet[Streamer]:
        """Scope by visibility."""
        return Streamer.objects.visible_to(self.request.user).select_related("merchant").order_by("pk")


def named_subject(values: dict[str, Any]) -> Merchant | Streamer:
    """Find the other side by its code: a provider proposes to merchants it never served, who are told of it."""
    if values.get("merchant"):
        return _named(Merchant, values["merchant"])
    return _named(Streamer, values["streamer"])


def _named[S: (Merchant, Streamer)](model: type[S], code: str) -> S:
    found = model._default_manager.filter(code=code).first()
    if found is None:
        name = str(model._meta.model_name)
        raise serializers.ValidationError({name: [_("There is no %(kind)s %(code)s.") % {"kind": name, "code": code}]})
    return found


@extend_schema_view(
    create=extend_schema(request=ProposalSerializer, responses={201: BindingSerializer}),
)
class BindingViewSet(mixins.CreateModelMixin, viewsets.ReadOnlyModelViewSet[Binding]):
    """Service bindings this account may see; a proposal waits for the other side's confirmation."""

    serializer_class = BindingSerializer
    filterset_fields: ClassVar[list[str]] = ["provider__code", "merchant__code", "streamer__code", "role", "status"]
    queryset = Binding.objects.none()

    def get_queryset(self) -> QuerySet[Binding]:
        """Scope by visibility; one's lead bindings bring their shares along where one is asked for."""
        user = self.request.user
        found = Binding.objects.concerning(user) if self.detail else Binding.objects.visible_to(user)
        return found.select_related("provider", "merchant", "streamer").order_by("pk")

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Propose a binding."""
        asked = ProposalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        provider = Provider.objects.visible_to(request.user).filter(code=values["provider"]).first()
        if provider is None:
            raise serializers.ValidationError({"provider": [_("There is no such provider here.")]})
        # Before the other side is looked up: whoever may not bind learns nothing about codes.
        bind.require_binder(actor(request), provider.pk)
        subject = named_subject(values)
        binding = bind.propose(
            provider.pk,
            actor=actor(request),
            subject=subject,
            role=BindingRole(values["role"]),
            starts_on=values["starts_on"],
            term_ends_on=values["term_ends_on"],
            takes_over=values["takes_over"],
        )
        return Response(BindingSerializer(binding).data, status=201)

    @extend_schema(request=EndSerializer, responses=BindingSerializer)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End a binding before the given day."""
        asked = EndSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        binding = bind.end(self.get_object().pk, actor=actor(request), ends_before=asked.validated_data["ends_before"])
        return Response(BindingSerializer(binding).data)

    @extend_schema(request=ShareSerializer, responses={201: BindingSerializer})
    @action(detail=True, methods=["post"])
    def shares(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Offer another provider a share of a binding; it counts once accepted."""
        asked = ShareSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        lead = self.get_object()
        bind.require_binder(actor(request), lead.provider_id)
        to = Provider.objects.filter(code=values["provider"], status=Provider.Status.APPROVED).first()
        if to is None:
            raise serializers.ValidationError({"provider": [_("There is no such provider here.")]})
        share = split.propose_share(
            lead.pk,
            provider_id=to.pk,
            share_bp=values["share_bp"],
            starts_on=values["starts_on"],
            ends_before=values["ends_before"],
            actor=actor(request),
        )
        return Response(BindingSerializer(share).data, status=201)

    @extend_schema(request=None, responses=BindingSerializer)
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Accept a share that was offered."""
        return Response(BindingSerializer(split.accept_share(self.get_object().pk, actor=actor(request))).data)

    @extend_schema(request=None, responses=BindingSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Decline a share that was offered."""
        return Response(BindingSerializer(split.decline_share(self.get_object().pk, actor=actor(request))).data)
