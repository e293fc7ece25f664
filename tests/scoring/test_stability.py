"""Stability: drawn by a worker after the scores, once for everybody; pages and API wait for it with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone, translation

from ecosystem import ledger
from ecosystem.models import WorkMark
from ecosystem.roles import Role
from scoring.core.score import score as core_score
from scoring.core.stability import stability
from scoring.explanations import card
from scoring.models import Run, RunInput, RunStability, Score
from scoring.models.stability import BLOCK
from scoring.steps.score import compute_run, store_inputs
from scoring.steps.stability import EVERY_RUN
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from scoring.core.inputs import Inputs

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def computed(inputs: Inputs, **fields: object) -> Run:
    """Compute an official run of some inputs."""
    run = rows.run(status=Run.Status.FROZEN, input_digest=inputs.sha256, **fields)
    store_inputs(run, inputs)
    compute_run(run.pk)
    return Run.objects.select_related("rubric_version").get(pk=run.pk)


@pytest.fixture
def inputs() -> Inputs:
    rows.rubric()
    WorkMark.objects.filter(kind="score").delete()  # stability waits until scores come to rest
    providers = [factories.provider() for _ in range(12)]
    return rows.inputs({one: (30 + 7 * place, 900 - 60 * place) for place, one in enumerate(providers)})


def opened(run: Run, place: int) -> Score:
    subject = run.input.as_core().subjects[place]
    return Score.objects.select_related("run__rubric_version").get(run=run, provider_id=int(subject))


def test_a_worker_draws_what_pages_then_show(inputs: Inputs) -> None:
    run = computed(inputs)
    with translation.override("en"):
        waiting = card(opened(run, 0), with_path=True)
    assert (waiting.stability, waiting.stability_note) == (None, "This is being computed. Look again in a moment.")
    assert not RunStability.objects.exists()
    assert ledger.waiting(EVERY_RUN.kind) == 1
    rows.drain(EVERY_RUN.kind)
    assert all(one // BLOCK == kept.block for kept in RunStability.objects.all() for one in kept.providers)
    rubric = run.rubric_version.as_core()
    drawn = stability(core_score(rubric, inputs), seed=f"{rubric.digest}:{inputs.sha256}".encode())
    for place in range(12):
        shown = card(opened(run, place), with_path=True)
        assert shown.stability is not None
        assert shown.stability_note == ""
        assert (shown.stability.rank_low, shown.stability.rank_high) == (drawn.rank_low[place], drawn.rank_high[place])
        assert float(shown.stability.same_grade) == pytest.approx(100 * drawn.same_grade[place], abs=0.05)


def test_nothing_is_drawn_twice_and_what_is_superseded_never(inputs: Inputs) -> None:
    old = computed(inputs)
    signed = {"reviewed_by": rows.staff(Role.RATING), "reviewed_at": timezone.now()}
    Run.objects.filter(pk=old.pk).update(status=Run.Status.SUPERSEDED, **signed)
    new = computed(inputs)
    past, today = (
        Run.objects.create(
            kind=Run.Kind.PROVISIONAL,
            as_of=day,
            rubric_version=new.rubric_version,
            status=Run.Status.COMPUTED,
            input_digest=inputs.sha256,
        )
        for day in (rows.AS_OF, rows.AS_OF.replace(year=rows.AS_OF.year + 1))
    )
    for run in (past, today):
        store_inputs(run, inputs)
    assert RunStability.objects.lacking() == [today, new]
    rows.drain(EVERY_RUN.kind)
    assert set(RunStability.objects.values_list("run", flat=True)) == {today.pk, new.pk}
    before = dict(RunStability.objects.values_list("run", "drawn_at"))
    ledger.mark(EVERY_RUN.kind, [(EVERY_RUN.scope, None)], cause="test")
    rows.drain(EVERY_RUN.kind)
    assert dict(RunStability.objects.values_list("run", "drawn_at")) == before
    with translation.override("en"):
        note = card(opened(old, 0), with_path=True).stability_note
    assert note == "This is computed for today's score and for official ones."


def test_until_it_is_drawn_anew_the_last_one_is_shown_with_its_age(inputs: Inputs) -> None:
    run = computed(inputs)
    rows.drain(EVERY_RUN.kind)
    row = RunInput.objects.get(run=run)
    fresh = inputs.with_columns({rows.SESSIONS: inputs.columns[rows.ORDERS]})
    Run.objects.filter(pk=run.pk).update(input_digest=fresh.sha256)
    RunInput.objects.filter(pk=row.pk).update(content=fresh.to_bytes(), digest=fresh.sha256)
    with translation.override("en"):
        older = card(opened(Run.objects.get(pk=run.pk), 0), with_path=True)
    assert older.stability is not None
    assert older.stability_note == "Drawn before the newest facts came in."
    assert [one.pk for one in RunStability.objects.lacking()] == [run.pk]
