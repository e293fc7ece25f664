"""Publish: an official run goes open → frozen → computed → reviewed → published; a correction is a new run.

Every status moves by one conditional UPDATE. Computing is work of the ledger (kind ``run``), from the frozen inputs
alone. What is published is frozen by the database (migration ``frozen_rows``).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from ecosystem.roles import require
from ecosystem.steps.notify import notify
from providers.models import Membership
from scoring.errors import PublicationBlocked, RubricFrozen, SecondPersonNeeded
from scoring.models import Contest, Publication, RubricVersion, Run, RunInput, Score
from scoring.review import is_blocked
from scoring.steps.benchmarks import freeze_granted
from scoring.steps.rubrics import newest_rubric
from scoring.steps.score import store_inputs
from scoring.steps.windows import windows

if TYPE_CHECKING:
    from datetime import date

    from ecosystem.models import User
    from scoring.core.inputs import Inputs

Status = Run.Status


@transaction.atomic(durable=True)
def open_run(as_of: date, *, actor: User, rubric_version_id: int | None = None) -> Run:
    """Open an official run of a day that has begun, under a published rubric version (the newest unless named)."""
    require(actor, "run_scores")
    if as_of > business_today():
        raise InvalidInput(
            _("The run as of %(as_of)s would need data that is not there yet; today is %(today)s.")
            % {"as_of": as_of, "today": business_today()}
        )
    version = newest_rubric() if rubric_version_id is None else RubricVersion.objects.get(pk=rubric_version_id)
    if version.status != RubricVersion.Status.PUBLISHED:
        raise RubricFrozen(
            _("Rubric version %(version)s is %(found)s; an official run needs a published one.")
            % {"version": version, "found": version.get_status_display()}
        )
    run = Run.objects.create(kind=Run.Kind.OFFICIAL, as_of=as_of, rubric_version=version, opened_by=actor)
    AuditEntry.objects.record(Verb.PUBLISH, "open_run", run, actor=actor, detail={"rubric": str(version)})
    return run


@transaction.atomic(durable=True)
def freeze_run(run_id: int, *, actor: User) -> Run:
    """Keep all inputs as they are known at this moment, and have the run computed from them."""
    require(actor, "run_scores")
    run = Run.objects.select_for_update(of=("self",)).select_related("rubric_version").get(pk=run_id)
    _hold_totals()
    cut_off = timezone.now()
    inputs = _inputs_now(run)
    run = Run.objects.advance(
        run_id, needs=[Status.OPEN], leaves=Status.FROZEN, cut_off=cut_off, input_digest=inputs.sha256
    )
    store_inputs(run, inputs)
    ledger.mark("run", [(str(run.pk), None)], cause="frozen")
    AuditEntry.objects.record(Verb.PUBLISH, "freeze_run", run, actor=actor, detail={"inputs": run.input_digest})
    return run


def _inputs_now(run: Run) -> Inputs:
    """Read everybody's inputs, or, for an appeal, its provider's, and keep the corrected run's for the others."""
    rubric = run.rubric_version.as_core()
    if run.contest is None or run.corrects is None:
        return windows(rubric, as_of=run.as_of)
    kept = RunInput.objects.matrix(run.corrects)
    assert kept is not None  # no run is published without inputs
    return kept.spliced(windows(rubric, as_of=run.as_of, providers=[run.contest.provider_id]))


def _hold_totals() -> None:
    """Let no roll-up write while inputs are read, and refuse while one still waits.

    A provisional run heals with the next pass; frozen inputs would stay half old and half new for ever.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE provider_cum IN SHARE MODE")
    waiting = ledger.waiting("beside", "room_month", "roll_up")
    if waiting:
        raise WrongStatus(
            _("%(count)s pieces of work are still to be rolled up; freeze the run when that is done.")
            % {"count": waiting}
        )


@transaction.atomic(durable=True)
def review_run(run_id: int, *, note: str, actor: User) -> Run:
    """Sign that a computed run was looked at (``scoring/review.py`` shows what there is to see)."""
    require(actor, "run_scores")
    if not note.strip():
        raise InvalidInput(_("A review needs a note on what was looked at."))
    run = Run.objects.advance(
        run_id,
        needs=[Status.COMPUTED],
        leaves=Status.REVIEWED,
        reviewed_by=actor,
        reviewed_at=timezone.now(),
        review_note=note.strip(),
    )
    AuditEntry.objects.record(Verb.PUBLISH, "review_run", run, actor=actor, cause=note.strip()[:400])
    return run


@transaction.atomic(durable=True)
def publish_run(run_id: int, *, actor: User) -> Publication:
    """Make a run that someone else reviewed public and final; the earlier publication of its day is superseded."""
    require(actor, "publish")
    day = Run.objects.values_list("as_of", flat=True).get(pk=run_id)
    # Holding all official runs of the day keeps two publications of it apart.
    runs = Run.objects.official().filter(as_of=day).select_for_update(of=("self",)).order_by("pk")
    earlier = next((run for run in runs if run.status == Status.PUBLISHED), None)
    if earlier is not None and earlier.pk != run_id:
        Run.objects.advance(earlier.pk, needs=[Status.PUBLISHED], leaves=Status.SUPERSEDED)
    run = Run.objects.advance(run_id, needs=[Status.REVIEWED], leaves=Status.PUBLISHED)
    if run.reviewed_by_id == actor.pk:
        raise SecondPersonNeeded(_("You signed the review of this run; someone else must publish it."))
    scores = list(Score.objects.of(run).select_related("provider").order_by("provider_id"))
    blocked = [score.provider.code for score in scores if is_blocked(score.flags)]
    if blocked:
        raise PublicationBlocked(
            _("Some gate could not be evaluated for %(count)s providers; deliver what is missing and run again.")
            % {"count": len(blocked)},
            detail={"providers": blocked[:100]},
        )
    publication = Publication.objects.create(
        run=run,
        published_by=actor,
        digest=scores_digest(scores),
        supersedes=None if earlier is None else Publication.objects.get(run=earlier),
    )
    AuditEntry.objects.record(
        Verb.PUBLISH,
        "publish_run",
        run,
        actor=actor,
        detail={"scores": publication.digest, "supersedes": None if earlier is None else earlier.pk},
    )
    _announce(publication, scores)
    freeze_granted(run.as_of)
    return publication


@transaction.atomic(durable=True)
def correct_run(run_id: int, *, actor: User) -> Run:
    """Open a run of the same day and rubric version; publishing it supersedes this one, which stays as it is."""
    require(actor, "run_scores")
    return _correct(Run.objects.get(pk=run_id), None, actor=actor)


@transaction.atomic(durable=True)
def rerun_contested(contest_id: int, *, actor: User) -> Run:
    """Open a correcting run in which only the inputs of an upheld appeal's provider are read anew.

    Same day and rubric version; ranks follow, as they compare everybody. The contested scores stay as they are.
    """
    require(actor, "run_scores")
    contest = Contest.objects.select_related("score__run").get(pk=contest_id)
    if contest.status != Contest.Status.UPHELD:
        raise WrongStatus(
            _("The contest is %(found)s; only an upheld one leads to a new run.")
            % {"found": contest.get_status_display()}
        )
    # Another correction may have superseded the contested run meanwhile.
    day = contest.score.run.as_of
    published = Run.objects.official().filter(as_of=day, status=Status.PUBLISHED).first()
    if published is None or not contest.score.run.is_official:
        raise WrongStatus(_("Only a published score is corrected by a run; provisional ones follow the facts."))
    return _correct(published, contest, actor=actor)


def _correct(published: Run, contest: Contest | None, *, actor: User) -> Run:
    if published.status != Status.PUBLISHED:
        raise WrongStatus(
            _("The run is %(found)s; only a published one is corrected.") % {"found": published.get_status_display()}
        )
    run = Run.objects.create(
        kind=Run.Kind.OFFICIAL,
        as_of=published.as_of,
        rubric_version=published.rubric_version,
        corrects=published,
        contest=contest,
        opened_by=actor,
    )
    AuditEntry.objects.record(
        Verb.PUBLISH,
        "correct_run" if contest is None else "rerun_contested",
        run,
        actor=actor,
        detail={"corrects": published.pk, "contest": None if contest is None else contest.pk},
    )
    return run


def scores_digest(scores: list[Score]) -> str:
    """Return the SHA-256 over the canonical rows of a run, in the order of provider ids."""
    rows = (
        [
            score.provider_id,
            score.status,
            None if score.published is None else f"{score.published:.4f}",
            score.grade,
            score.rank,
            score.capabilities,
            score.flags,
        ]
        for score in sorted(scores, key=lambda score: score.provider_id)
    )
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _announce(publication: Publication, scores: list[Score]) -> None:
    """Leave every member a notice and a mail about the provider's own official score."""
    members: dict[int, list[User]] = {}
    for membership in Membership.objects.filter(
        provider__in=[score.provider_id for score in scores], user__is_active=True
    ).select_related("user"):
        members.setdefault(membership.provider_id, []).append(membership.user)
    day, url = publication.run.as_of.isoformat(), f"{reverse('scoring:score')}?run={publication.run_id}"
    for score in scores:
        params = {"provider": score.provider.name, "as_of_day": day}
        key = f"publication:{publication.pk}:{score.provider_id}"
        users = members.get(score.provider_id, [])
        if not users:
            continue
        if score.published is None:
            notify(users, "not_rated_published", params=params, url=url, key=key)
        else:
            more = {"score_points": str(score.published), "grade": score.grade}
            notify(users, "score_published", params=params | more, url=url, key=key)
