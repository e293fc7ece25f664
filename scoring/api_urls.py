"""REST addresses of what we conclude."""

from rest_framework.routers import SimpleRouter

from scoring import api

router = SimpleRouter()
router.register("rubrics", api.RubricViewSet, basename="api-rubric")
router.register("runs", api.RunViewSet, basename="api-run")
router.register("scores", api.ScoreViewSet, basename="api-score")
router.register("contests", api.ContestViewSet, basename="api-contest")
router.register("plans", api.PlanViewSet, basename="api-plan")
router.register("grants", api.GrantViewSet, basename="api-grant")

urlpatterns = router.urls
