"""REST addresses of what happened."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from providers import api, api_attribution, api_conflicts, api_ingest

router = SimpleRouter()
router.register("providers", api.ProviderViewSet, basename="api-provider")
router.register("merchants", api.MerchantViewSet, basename="api-merchant")
router.register("streamers", api.StreamerViewSet, basename="api-streamer")
router.register("bindings", api.BindingViewSet, basename="api-binding")
router.register("conflicts", api_conflicts.ConflictViewSet, basename="api-conflict")
router.register("batches", api_ingest.BatchViewSet, basename="api-batch")

urlpatterns = [
    path("attribution/", api_attribution.AttributionView.as_view(), name="api-attribution"),
    path("feeds/", api_ingest.Feeds.as_view(), name="api-feeds"),
    path("ingest/<slug:feed>/", api_ingest.Ingest.as_view(), name="api-ingest"),
    path("ingest/<slug:feed>/check/", api_ingest.Check.as_view(), name="api-ingest-check"),
    *router.urls,
]
