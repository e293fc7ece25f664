"""Score: the whole population at once, from one frozen matrix, writing only what differs.

A provisional run belongs to a day and follows the facts; an official run is computed from the inputs frozen with it
(``publish.py``). Both write through ``write_scores``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.ledger import Done, Mark
from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from ecosystem.steps.notify import notify
from ecosystem.version import code_version
from scoring.core.score import score
from scoring.errors import InputsTampered
from scoring.models import RubricVersion, Run, RunInput, RunStability, Score
from scoring.models.scores import LEFT
from scoring.models.stability import stands_on
from scoring.steps.grade_changes import tell_grade_changes
from scoring.steps.rubrics import newest_rubric
from scoring.steps.score_rows import called, score_lines
from scoring.steps.stability import EVERY_RUN
from scoring.steps.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric
    from scoring.core.score import Scores

CURRENT = "current"

_INCOMING = """
CREATE TEMP TABLE incoming_score (
    provider_id bigint, status text, published numeric, grade text, rank integer, capabilities jsonb, flags text[]
) ON COMMIT DROP
"""
_CALLED = "provider_code, provider_name, provider_category"
_COLUMNS = "provider_id, status, published, grade, rank, capabilities, flags"
_WRITE = """
INSERT INTO scoring_score AS known (run_id, provider_code, provider_name, provider_category, provider_id, status,
    published, grade, rank, capabilities, flags)
SELECT %s, provider.code, provider.name, provider.category, provider_id, incoming.status, published, grade, rank,
    capabilities, flags
FROM incoming_score AS incoming JOIN providers_provider AS provider ON provider.id = provider_id ORDER BY provider_id
ON CONFLICT (run_id, provider_id) DO UPDATE SET
    provider_code = excluded.provider_code, provider_name = excluded.provider_name,
    provider_category = excluded.provider_category, status = excluded.status, published = excluded.published,
    grade = excluded.grade, rank = excluded.rank, capabilities = excluded.capabilities, flags = excluded.flags
WHERE (known.provider_code, known.provider_name, known.provider_category, known.status, known.published, known.grade,
       known.rank, known.capabilities, known.flags) IS DISTINCT FROM
      (excluded.provider_code, excluded.provider_name, excluded.provider_category, excluded.status, excluded.published,
       excluded.grade, excluded.rank, excluded.capabilities, excluded.flags)
"""
# A provider that left since keeps its row: contests and grants may point at it.
_LEAVE = """
UPDATE scoring_score
SET status = 'not_rated', published = NULL, grade = '', rank = NULL, capabilities = '{}', flags = %s::varchar[]
WHERE run_id = %s AND flags <> %s::varchar[] AND NOT EXISTS
    (SELECT FROM incoming_score incoming WHERE incoming.provider_id = scoring_score.provider_id)
"""


def handle(scopes: Mapping[str, date | None]) -> Done:
    """Score everybody as of today, for the ledger; standings follow."""
    if not RubricVersion.objects.published().exists():
        # A failure here would park the scope; publishing the first version marks it again.
        return Done(0, [Mark("tier", CURRENT)])
    run, changed = _score_day(business_today(), notify_members=True)
    firm = RunStability.objects.filter(run=run, digest=stands_on(run)).exists()
    return Done(changed, [Mark("tier", CURRENT), *([] if firm else [EVERY_RUN])], run.input_digest)


def handle_run(scopes: Mapping[str, date | None]) -> Done:
    """Compute frozen official runs, for the ledger."""
    return Done(sum(compute_run(int(run_id)) for run_id in scopes))


@transaction.atomic
def score_population(as_of: date, *, cause: str = "") -> Run:
    """Make or renew the provisional run of any day from what is known now; today's standings follow."""
    run, _changed = _score_day(as_of, cause=cause)
    if as_of == business_today():
        ledger.mark("tier", [(CURRENT, None)], cause=cause or "scores")
        ledger.mark(EVERY_RUN.kind, [(EVERY_RUN.scope, None)], cause=cause or "scores")
    return run


@transaction.atomic
def compute_run(run_id: int) -> int:
    """Compute a frozen official run from its frozen inputs; return the rows changed (0 when done before)."""
    run = (
        Run.objects.select_for_update(of=("self",))
        .select_related("rubric_version", "input", "opened_by")
        .get(pk=run_id)
    )
    if run.kind != Run.Kind.OFFICIAL or run.status not in {Run.Status.FROZEN, Run.Status.COMPUTED}:
        return 0
    inputs = run.input.as_core()
    if inputs.sha256 != run.input_digest:
        raise InputsTampered(
            _("The inputs of %(run)s are %(found)s, frozen were %(needed)s.")
            % {"run": run, "found": inputs.sha256, "needed": run.input_digest}
        )
    scores = _scored(run.rubric_version.as_core(), inputs)
    changed = write_scores(run, scores)
    first = run.status == Run.Status.FROZEN
    _finish(run, scores)
    ledger.mark(EVERY_RUN.kind, [(EVERY_RUN.scope, None)], cause=f"run {run.pk}")
    if first:
        AuditEntry.objects.record(Verb.SCORE, "compute_run", run, detail={"rated": run.rated, "rows": changed})
        starters = [] if run.opened_by is None else [run.opened_by]
        url = reverse("admin:scoring_run_change", args=[run.pk])
        notify(starters, "run_computed", params={"as_of_day": run.as_of.isoformat()}, url=url)
    return changed


@transaction.atomic
def store_inputs(run: Run, inputs: Inputs) -> str:
    """Keep the matrix a run is computed from; return its SHA-256."""
    digest: str = RunInput.objects.keep(run, inputs.to_bytes())
    return digest


def write_scores(run: Run, scores: Scores) -> int:
    """Write the rows of a run that differ from what is known, by COPY; return how many.

    Rows of a new run lie in the order of their ranks, so that a page of the leaderboard is a page or two of the table.
    """
    with connection.cursor() as cursor:
        if not Score.objects.filter(run=run).exists():
            lines = score_lines(scores, [[str(run.pk)] * len(scores.subjects), *called(scores.subjects)])
            order = np.argsort(np.where(scores.rated, scores.rank, np.iinfo(np.int64).max), kind="stable")
            with cursor.copy(f"COPY scoring_score (run_id, {_CALLED}, {_COLUMNS}) FROM STDIN") as copy:
                copy.write("".join(map(lines.__getitem__, order.tolist())))
            return len(scores.subjects)
        cursor.execute(_INCOMING)
        with cursor.copy(f"COPY incoming_score ({_COLUMNS}) FROM STDIN") as copy:
            copy.write("".join(score_lines(scores)))
        cursor.execute(_WRITE, [run.pk])
        changed = int(cursor.rowcount)
        cursor.execute(_LEAVE, [[LEFT], run.pk, [LEFT]])
        changed += int(cursor.rowcount)
        cursor.execute("DROP TABLE incoming_score")
    return changed


def _score_day(as_of: date, *, cause: str = "", notify_members: bool = False) -> tuple[Run, int]:
    version = newest_rubric()
    rubric = version.as_core()
    run, is_new = Run.objects.get_or_create(
        kind=Run.Kind.PROVISIONAL, as_of=as_of, defaults={"rubric_version": version}
    )
    run = Run.objects.select_for_update(of=("self",)).select_related("rubric_version").get(pk=run.pk)
    before = _standing_before(run)
    cut_off = timezone.now()
    inputs = windows(rubric, as_of=as_of)
    content = inputs.to_bytes()
    digest = sha256(content).hexdigest()
    same = (run.input_digest, run.rubric_version_id, run.code_version) == (digest, version.pk, code_version())
    if same and run.status == Run.Status.COMPUTED and not Score.objects.of(run).called_otherwise().exists():
        return run, 0
    earlier = _inputs_of(before) if notify_members and before is not None else None
    run.rubric_version, run.cut_off = version, cut_off
    run.input_digest = RunInput.objects.keep(run, content, digest)
    scores = _scored(rubric, inputs)
    grades = _grades(before) if earlier is not None else {}
    changed = write_scores(run, scores)
    _finish(run, scores)
    if is_new:
        AuditEntry.objects.record(Verb.SCORE, "score_population", run, cause=cause, detail={"rated": run.rated})
    if earlier is not None:
        tell_grade_changes(grades, earlier, scores)
    return run, changed


def _scored(rubric: Rubric, inputs: Inputs) -> Scores:
    """Score everybody, with the points of capabilities that rows show."""
    return score(rubric, inputs, shown=[capability.code for capability in rubric.capabilities])


def _finish(run: Run, scores: Scores) -> None:
    """Note on the run what was computed, when, and by which code."""
    run.status = Run.Status.COMPUTED
    run.rated = int(scores.rated.sum())
    run.not_rated = len(scores.subjects) - run.rated
    run.code_version = code_version()
    run.computed_at = timezone.now()
    run.save()


def _standing_before(run: Run) -> Run | None:
    """Return the provisional run people have seen last: this one before it is renewed, else the newest earlier one."""
    if run.status == Run.Status.COMPUTED:
        return run
    return Run.objects.provisional().filter(as_of__lt=run.as_of).newest_first().select_related("rubric_version").first()


def _inputs_of(run: Run) -> tuple[Rubric, Inputs]:
    return run.rubric_version.as_core(), RunInput.objects.get(run=run).as_core()


def _grades(run: Run | None) -> dict[int, str]:
    return dict(Score.objects.filter(run=run).values_list("provider_id", "grade"))
