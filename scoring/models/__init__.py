"""Tables of what we conclude: rolled-up days, benchmarks, rubrics, runs, scores, plans, budgets, publications."""

from scoring.models.benchmarks import Benchmark
from scoring.models.budgets import BudgetPool, Entry, Grant
from scoring.models.consultations import Comment, Consultation
from scoring.models.contests import Contest
from scoring.models.plans import Plan, PlanTarget, Progress, Standing
from scoring.models.publications import Publication
from scoring.models.rolled import PersonCum, ProviderCum, ProviderDay, ProviderStock, RoomMonth
from scoring.models.rubrics import RubricVersion
from scoring.models.runs import Run, RunInput
from scoring.models.scenarios import Scenario, ScenarioInput
from scoring.models.scores import Score
from scoring.models.stability import RunStability

__all__ = [
    "Benchmark",
    "BudgetPool",
    "Comment",
    "Consultation",
    "Contest",
    "Entry",
    "Grant",
    "PersonCum",
    "Plan",
    "PlanTarget",
    "Progress",
    "ProviderCum",
    "ProviderDay",
    "ProviderStock",
    "Publication",
    "RoomMonth",
    "RubricVersion",
    "Run",
    "RunInput",
    "RunStability",
    "Scenario",
    "ScenarioInput",
    "Score",
    "Standing",
]
