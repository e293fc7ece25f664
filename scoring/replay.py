"""Score a past run again from its frozen inputs, under its own or any other rubric version, and compare the bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from scoring.core.carried import laid_before, not_frozen
from scoring.core.exact import text
from scoring.core.explain import trace
from scoring.core.score import score
from scoring.errors import NothingToScore
from scoring.models import Publication, RubricVersion, RunInput, Score
from scoring.models.scores import LEFT
from scoring.steps.publish import scores_digest
from scoring.steps.score_rows import score_rows
from scoring.steps.windows import cycle_of, window_table

if TYPE_CHECKING:
    from decimal import Decimal

    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric
    from scoring.core.score import Scores
    from scoring.models import Run


@dataclass(frozen=True, slots=True)
class Replay:
    """A run scored again. Digests are SHA-256 over the canonical rows, as a publication signs them.

    same_rules: the version is the run's own, so that everything must be equal; equal: the rows are byte for byte those
    stored, and where the run is published those signed. differing: providers whose rows are not.
    read_today: measures the run never froze, because its own rules do not read them; taken from the totals of today.
    """

    scores: Scores
    rows: tuple[Score, ...]
    version: RubricVersion
    same_rules: bool
    inputs_intact: bool
    digest: str
    stored_digest: str
    published_digest: str | None
    equal: bool
    differing: int
    read_today: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplayedScore:
    """One provider's score as it stood and as the replay has it."""

    run_id: int
    rubric: str
    same_rules: bool
    equal: bool
    total: Decimal | None
    grade: str
    rank: int | None
    replayed_total: Decimal | None
    replayed_exact_total: str | None
    replayed_grade: str
    replayed_rank: int | None
    change: Decimal | None
    digest: str
    published_digest: str | None
    read_today: tuple[str, ...]


def replay(run: Run, version: RubricVersion) -> Replay:
    """Score a run again under a version; nothing is written. NothingToScore where the run has no frozen inputs."""
    frozen = RunInput.objects.filter(run=run).first()
    if frozen is None:
        raise NothingToScore(_("%(run)s has no frozen inputs yet.") % {"run": run})
    inputs = frozen.as_core()
    rubric = version.as_core()
    filled, lacking = _filled(run, rubric, inputs)
    scores = score(rubric, filled)
    stored = [one for one in Score.objects.of(run).order_by("provider_id") if LEFT not in one.flags]
    made = _rows(scores)
    publication = Publication.objects.filter(run=run).first()
    digest, known = scores_digest(made), scores_digest(stored)
    published = None if publication is None else publication.digest
    before = {one.provider_id: scores_digest([one]) for one in stored}
    return Replay(
        scores=scores,
        rows=tuple(made),
        version=version,
        same_rules=version.digest == run.rubric_version.digest,
        inputs_intact=inputs.sha256 == run.input_digest,
        digest=digest,
        stored_digest=known,
        published_digest=published,
        equal=digest == known and published in {None, digest},
        differing=sum(before.pop(one.provider_id, "") != scores_digest([one]) for one in made) + len(before),
        read_today=lacking,
    )


def replayed_score(before: Score, found: Replay) -> ReplayedScore | None:
    """Put one provider's score beside its replay; None where the run's inputs do not hold the provider."""
    subject = str(before.provider_id)
    scores = found.scores
    if subject not in scores.subjects:
        return None
    row = scores.subjects.index(subject)
    total, old = scores.published(row), before.published
    exact = trace(scores.rubric, scores.inputs, subject).total
    made = found.rows[row]
    return ReplayedScore(
        run_id=before.run_id,
        rubric=str(found.version),
        same_rules=found.same_rules,
        equal=scores_digest([made]) == scores_digest([before]),
        total=old,
        grade=before.grade,
        rank=before.rank,
        replayed_total=total,
        replayed_exact_total=None if exact is None else text(exact),
        replayed_grade=made.grade,
        replayed_rank=made.rank,
        change=None if total is None or old is None else total - old,
        digest=found.digest,
        published_digest=found.published_digest,
        read_today=found.read_today,
    )


def _filled(run: Run, rubric: Rubric, inputs: Inputs) -> tuple[Inputs, tuple[str, ...]]:
    """Add what another version reads and the run never froze, as the totals say it today."""
    lacking = [operand for operand in rubric.operands() if operand not in inputs.columns]
    filled, frozen = inputs, run.rubric_version.as_core()
    if lacking:
        providers = [int(subject) for subject in inputs.subjects]
        filled = inputs.with_columns(window_table(lacking, as_of=run.as_of, providers=providers).columns)
    if filled.previous is not None and rubric.digest != frozen.digest:
        wanted = not_frozen(rubric, filled, frozen)
        filled = laid_before(filled, cycle_of(filled, wanted, as_of=run.as_of), frozen) if wanted.operands else filled
    return filled, tuple(dict.fromkeys(operand.measure for operand in lacking))


def _rows(scores: Scores) -> list[Score]:
    """Lay replayed scores out as rows of the table, unsaved."""
    return [
        Score(
            provider_id=provider,
            status=status,
            published=published,
            grade=grade,
            rank=rank,
            capabilities=json.loads(capabilities),
            flags=flags,
        )
        for provider, status, published, grade, rank, capabilities, flags in score_rows(scores)
    ]
