"""Compare the database with what was sent: what is lost, what is doubled, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from ecosystem import ledger, verify
from ecosystem.models import WorkMark, WorkScope
from scoring.core.score import score
from scoring.models import Run, Score
from scoring.steps.publish import scores_digest
from scoring.steps.score_rows import score_rows
from scoring.steps.windows import windows
from tests.chaos.stream import AS_OF, MEASURES, POISON, TALLY, Stream

EVERYTHING = verify.Extent(everything=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many of the things sent are lost, doubled or wrong; every wrong one in words."""

    lost: int
    doubled: int
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Tell whether nothing is amiss."""
        return not (self.lost or self.doubled or self.wrong)


def waiting() -> int:
    """Count the scopes with work before them, the poisoned one aside."""
    return WorkMark.objects.exclude(kind=TALLY, scope=POISON).values("kind", "scope").distinct().count()


def what_waits() -> str:
    """Return the scopes with work before them, with state, attempts and the seconds until they are due."""
    waiting = WorkMark.objects.exclude(kind=TALLY, scope=POISON).values_list("kind", "scope").distinct()
    found = []
    for kind, scope in waiting.order_by("kind", "scope")[:8]:
        known = WorkScope.objects.filter(kind=kind, scope=scope).first()
        due = "" if known is None else f" {known.state} {known.attempts} in {known.not_before - timezone.now()}"
        found.append(f"{kind} {scope}{due}")
    return "; ".join(found)


def most_deaths() -> int:
    """Return how often in a row the unluckiest scope has been tried, the poisoned one aside."""
    tried = WorkScope.objects.exclude(kind=TALLY, scope=POISON).aggregate(most=Max("attempts"))
    return tried["most"] or 0


def judge(stream: Stream) -> Verdict:
    """Compare facts, provider days, tally, scores and the ledger's own state."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT fact.day, merchant.code, {', '.join(MEASURES)} FROM fact_sales_merchant fact"
            " JOIN providers_merchant merchant ON merchant.id = fact.merchant_id"
        )
        facts = {(day, code): tuple(values) for day, code, *values in cursor.fetchall()}
        cursor.execute(
            f"SELECT day, right(provider.code, 5)::int, {', '.join(MEASURES)} FROM provider_day"
            " JOIN providers_provider provider ON provider.id = provider_day.provider_id WHERE paid_orders <> 0"
        )
        days = {(day, place): tuple(values) for day, place, *values in cursor.fetchall()}
        cursor.execute("SELECT count(*), count(DISTINCT id) FROM chaos_tallied")
        tallied, distinct = cursor.fetchone()
        cursor.execute("SELECT count(*) - count(DISTINCT key) FROM providers_batch WHERE status = 'applied'")
        doubled_batches = cursor.fetchone()[0]
    expected, sums = stream.facts(), stream.provider_days()
    lost = stream.events - distinct + sum(facts.get(key) != row for key, row in expected.items())
    doubled = tallied - distinct + doubled_batches
    wrong = [f"fact {key} was never sent" for key in facts.keys() - expected.keys()]
    wrong += [
        f"provider day {key}: {days.get(key)}, sent were {sums.get(key)}"
        for key in sorted(days.keys() | sums.keys())
        if days.get(key) != sums.get(key)
    ]
    return Verdict(lost, doubled, tuple(wrong + _scores() + _scopes()))


def _scores() -> list[str]:
    """Compute everybody's score from what the portal knows, and hold what it shows against that."""
    run = Run.objects.select_related("rubric_version").get(kind=Run.Kind.PROVISIONAL, as_of=AS_OF)
    rubric = run.rubric_version.as_core()
    inputs = windows(rubric, as_of=AS_OF)
    fresh = [
        Score(provider_id=provider, status=status, published=published, grade=grade, rank=rank, flags=flags)
        for provider, status, published, grade, rank, _capabilities, flags in score_rows(score(rubric, inputs))
    ]
    shown = list(Score.objects.of(run))
    for row in shown:
        row.capabilities = {}
    wrong = []
    if run.input_digest != inputs.sha256:
        wrong.append("the run of today was not computed from today's windows")
    if scores_digest(fresh) != scores_digest(shown):
        wrong.append("the scores shown are not those of the windows")
    return wrong


def _scopes() -> list[str]:
    parked = set(WorkScope.objects.filter(state=WorkScope.State.PARKED).values_list("kind", "scope"))
    wrong = [f"{kind} {scope} was parked" for kind, scope in sorted(parked - {(TALLY, POISON)})]
    # Killed at its last attempt, it is parked when it is due again.
    poison = WorkScope.objects.get(kind=TALLY, scope=POISON)
    if poison.attempts < ledger.ATTEMPTS_BEFORE_PARKING or not WorkMark.objects.filter(scope=POISON).exists():
        wrong.append("the poisoned scope was taken for done")
    others = WorkScope.objects.exclude(state=WorkScope.State.PARKED).exclude(scope=POISON)
    left = others.filter(attempts__gt=0).count()
    for name, check in verify.checks().items():
        if name != "work":  # the poisoned scope is meant
            wrong += [f"{name}: {difference}" for difference in verify.run(check, EVERYTHING).differences]
    return [*wrong, *([f"{left} scopes without work keep attempts"] if left else [])]
