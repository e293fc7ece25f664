"""REST addresses of what we conclude."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from scoring import api, api_consultations, api_explain, api_own_what_if, api_rubrics, api_what_if

router = SimpleRouter()
router.register("rubrics", api_rubrics.RubricViewSet, basename="api-rubric")
router.register("consultations", api_consultations.ConsultationViewSet, basename="api-consultation")
router.register("scenarios", api_what_if.ScenarioViewSet, basename="api-scenario")
router.register("runs", api.RunViewSet, basename="api-run")
router.register("scores", api.ScoreViewSet, basename="api-score")
router.register("contests", api.ContestViewSet, basename="api-contest")
router.register("plans", api.PlanViewSet, basename="api-plan")
router.register("grants", api.GrantViewSet, basename="api-grant")

urlpatterns = [
    path("what-if/", api_what_if.WhatIfView.as_view(), name="api-what-if"),
    path("scores/<int:pk>/what-if/", api_own_what_if.OwnWhatIfView.as_view(), name="api-score-what-if"),
    path("scores/<int:pk>/peers/", api_own_what_if.OwnPeersView.as_view(), name="api-score-peers"),
    path("scores/<int:pk>/change/", api_explain.ChangeView.as_view(), name="api-score-change"),
    path("scores/<int:pk>/facts/<slug:indicator>/", api_explain.FactsView.as_view(), name="api-score-facts"),
    path("scores/<int:pk>/replay/", api_explain.ReplayView.as_view(), name="api-score-replay"),
    path("gmv/", api_explain.GmvView.as_view(), name="api-gmv"),
    *router.urls,
]
