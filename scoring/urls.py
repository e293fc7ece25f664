"""Addresses of the score, plan and figures pages."""

from django.urls import URLPattern, path

from scoring.views import contest, figures, plan, score

app_name = "scoring"
urlpatterns: list[URLPattern] = [
    path("score/", score.score, name="score"),
    path("score/score.csv", score.score_csv, name="score-csv"),
    path("score/history/", score.history, name="history"),
    path("score/history.csv", score.history_csv, name="history-csv"),
    path("score/<int:score_id>/<slug:indicator>/", score.indicator, name="indicator"),
    path("score/<int:score_id>/contest", contest.file, name="contest"),
    path("contests/", contest.contests, name="contests"),
    path("plan/", plan.plan, name="plan"),
    path("plan/grants.csv", plan.grants_csv, name="grants-csv"),
    path("figures/", figures.figures, name="figures"),
    path("figures.csv", figures.figures_csv, name="figures-csv"),
    path("leaderboard/", plan.leaderboard, name="leaderboard"),
    path("leaderboard.csv", plan.leaderboard_csv, name="leaderboard-csv"),
]
