"""Publish: an official run is opened, frozen, computed, reviewed by a person and published; nothing moves it then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from ecosystem import ledger
from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, Notice, OutboxMessage, WorkMark
from ecosystem.roles import Role
from providers.models import Provider
from scoring import current
from scoring.core.inputs import Inputs, State
from scoring.errors import PublicationBlocked, RubricFrozen, SecondPersonNeeded
from scoring.explanations import card
from scoring.models import Publication, Run, RunInput, Score
from scoring.review import review_facts
from scoring.steps import contest, publish
from scoring.steps.score import compute_run, store_inputs
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from ecosystem.models import User

pytestmark = pytest.mark.django_db

SINCE = rows.AS_OF - timedelta(days=120)


@pytest.fixture(autouse=True)
def _today(settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF


def frozen(values: dict[Provider, tuple[int, int]], gate_states: list[int] | None = None) -> Run:
    """Make an official run that is frozen with these inputs."""
    inputs = rows.inputs(values, gate_states)
    run = rows.run(status=Run.Status.FROZEN, input_digest=inputs.sha256)
    store_inputs(run, inputs)
    return run


def published(values: dict[Provider, tuple[int, int]], actor: User) -> Run:
    """Take frozen inputs all the way to a publication."""
    run = frozen(values)
    compute_run(run.pk)
    publish.review_run(run.pk, note="已核对", actor=actor)
    publish.publish_run(run.pk, actor=rows.staff(Role.RATING))
    run.refresh_from_db()
    return run


def test_from_facts_to_an_official_score() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    provider = factories.provider(approved_on=SINCE)
    owner = factories.owner(provider)
    merchant, _streamer = rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    run = publish.open_run(rows.AS_OF, actor=rating)
    publish.freeze_run(run.pk, actor=rating)
    assert WorkMark.objects.filter(kind="run", scope=str(run.pk)).exists()
    # What is learnt after the cut-off does not reach the official run.
    day = rows.AS_OF - timedelta(days=1)
    rows.deliver("sales", "day,merchant,paid_orders", [f"{day},{merchant.code},710"])
    rows.drain("roll_up", "score", "run")
    run.refresh_from_db()
    assert (run.status, run.rated) == (Run.Status.COMPUTED, 1)
    assert Notice.objects.filter(user=rating, kind="run_computed").count() == 1
    assert not Score.objects.visible_to(owner).filter(run=run).exists()
    publish.review_run(run.pk, note="覆盖完整，无异常", actor=rating)
    publication = publish.publish_run(run.pk, actor=rows.staff(Role.RATING))
    run.refresh_from_db()
    assert run.status == Run.Status.PUBLISHED
    assert current.published_run() == run
    score = Score.objects.select_related("run__rubric_version").visible_to(owner).get(run=run)
    assert score.published == Decimal("60.0")  # 90 points for sessions, 30 for orders
    assert card(score).is_official
    assert card(score).total == Decimal("60.0")
    provisional = current.current_run()
    assert provisional is not None
    assert Score.objects.get(run=provisional).published == Decimal("95.0")
    assert Notice.objects.get(user=owner, kind="score_published").url == f"/score/?run={run.pk}"
    assert OutboxMessage.objects.filter(recipient=owner.email).count() == 1
    assert publication.digest == publish.scores_digest(list(Score.objects.filter(run=run)))
    assert [point.is_official for point in current.history(provider.pk)] == [True]
    assert [entry.action for entry in AuditEntry.objects.about(run).order_by("pk")] == [
        "open_run",
        "freeze_run",
        "compute_run",
        "review_run",
        "publish_run",
    ]


def test_computing_again_gives_the_same_bytes() -> None:
    rows.rubric()
    providers = [factories.provider() for _ in range(5)]
    run = frozen({provider: (17 * n, 331 * n) for n, provider in enumerate(providers)})
    assert compute_run(run.pk) == 5
    first = publish.scores_digest(list(Score.objects.filter(run=run)))
    assert compute_run(run.pk) == 0
    stored = bytes(RunInput.objects.get(run=run).content)
    assert Inputs.from_bytes(stored).to_bytes() == stored
    Score.objects.filter(run=run).delete()
    assert compute_run(run.pk) == 5
    assert publish.scores_digest(list(Score.objects.filter(run=run))) == first


def test_each_step_needs_the_one_before() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    run = publish.open_run(rows.AS_OF, actor=rating)
    with pytest.raises(WrongStatus):
        publish.review_run(run.pk, note="x", actor=rating)
    with pytest.raises(WrongStatus):
        publish.publish_run(run.pk, actor=rating)
    publish.freeze_run(run.pk, actor=rating)
    with pytest.raises(WrongStatus):
        publish.freeze_run(run.pk, actor=rating)
    assert RunInput.objects.filter(run=run).count() == 1
    compute_run(run.pk)
    with pytest.raises(InvalidInput):
        publish.review_run(run.pk, note="  ", actor=rating)
    with pytest.raises(WrongStatus):
        publish.publish_run(run.pk, actor=rating)
    publish.review_run(run.pk, note="ok", actor=rating)
    assert compute_run(run.pk) == 0
    with pytest.raises(SecondPersonNeeded):
        publish.publish_run(run.pk, actor=rating)
    assert not Publication.objects.exists()
    second = rows.staff(Role.RATING)
    publish.publish_run(run.pk, actor=second)
    with pytest.raises(WrongStatus):
        publish.publish_run(run.pk, actor=second)
    assert Publication.objects.count() == 1


@pytest.mark.parametrize("role", [role for role in Role if role != Role.RATING])
def test_only_rating_staff_publishes(role: Role) -> None:
    rows.rubric()
    with pytest.raises(NotAllowed):
        publish.open_run(rows.AS_OF, actor=rows.staff(role))
    run = rows.run()
    with pytest.raises(NotAllowed):
        publish.publish_run(run.pk, actor=rows.staff(role))
    assert Run.objects.get().status == Run.Status.OPEN


def test_an_official_run_needs_days_that_are_over_and_published_rules() -> None:
    rows.rubric()
    draft = rows.rubric("2", published=False)
    rating = rows.staff(Role.RATING)
    with pytest.raises(InvalidInput):
        publish.open_run(rows.AS_OF + timedelta(days=1), actor=rating)
    with pytest.raises(RubricFrozen):
        publish.open_run(rows.AS_OF, rubric_version_id=draft.pk, actor=rating)


def test_a_gate_nobody_could_evaluate_blocks_publication() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    known, unknown = factories.provider(), factories.provider()
    run = frozen({known: (50, 500), unknown: (60, 600)}, gate_states=[State.VALUE, State.NO_DATA])
    compute_run(run.pk)
    assert review_facts(run).blocked == 1
    publish.review_run(run.pk, note="x", actor=rating)
    with pytest.raises(PublicationBlocked) as refusal:
        publish.publish_run(run.pk, actor=rows.staff(Role.RATING))
    assert refusal.value.detail == {"providers": [unknown.code]}
    run.refresh_from_db()
    assert run.status == Run.Status.REVIEWED
    assert not Publication.objects.exists()


def test_a_correction_is_a_new_run_that_supersedes() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    provider = factories.provider()
    first = published({provider: (50, 500)}, rating)
    correction = publish.correct_run(first.pk, actor=rating)
    assert (correction.as_of, correction.rubric_version, correction.status) == (
        first.as_of,
        first.rubric_version,
        Run.Status.OPEN,
    )
    second = published({provider: (70, 500)}, rating)
    first.refresh_from_db()
    assert (first.status, second.status) == (Run.Status.SUPERSEDED, Run.Status.PUBLISHED)
    assert second.publication.supersedes == first.publication
    assert Score.objects.get(run=first).published == Decimal("50.0")
    assert current.published_run() == second
    assert [(point.run_id, point.value) for point in current.history(provider.pk)] == [(second.pk, Decimal("60.0"))]
    with pytest.raises(WrongStatus):
        publish.correct_run(first.pk, actor=rating)


def test_the_database_keeps_what_was_published() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    provider = factories.provider()
    run = published({provider: (50, 500)}, rating)
    score = Score.objects.get(run=run)
    attempts = (
        lambda: Score.objects.filter(pk=score.pk).update(published="99.9"),
        lambda: Score.objects.filter(pk=score.pk).delete(),
        lambda: rows.score(in_run=run),
        lambda: RunInput.objects.filter(run=run).update(content=b""),
        lambda: RunInput.objects.filter(run=run).delete(),
        lambda: Run.objects.filter(pk=run.pk).update(status=Run.Status.COMPUTED),
        lambda: Run.objects.filter(pk=run.pk).update(rated=0),
        lambda: Run.objects.filter(pk=run.pk).update(review_note="anders"),
        lambda: Publication.objects.update(digest="0" * 64),
        lambda: Publication.objects.all().delete(),
    )
    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()
    score.refresh_from_db()
    assert score.published == Decimal("50.0")
    # Scores of a run that is not published may be computed anew.
    other = frozen({provider: (10, 10)})
    compute_run(other.pk)
    Score.objects.filter(run=other).update(published="1.0")
    assert compute_run(other.pk) == 1


def test_a_reviewer_sees_what_moved() -> None:
    rows.rubric()
    rating = rows.staff(Role.RATING)
    one, two, new = (factories.provider() for _ in range(3))
    before = published({one: (50, 500), two: (80, 800)}, rating)
    run = frozen({one: (75, 750), two: (79, 800), new: (10, 100)})
    compute_run(run.pk)
    facts = review_facts(run)
    assert (facts.rated, facts.rated_before, facts.gained, facts.lost) == (3, 2, 1, 0)
    assert facts.before == before
    assert [(mover.provider_id, mover.change) for mover in facts.movers] == [
        (one.pk, Decimal("25.0")),
        (two.pk, Decimal("-0.5")),
    ]
    assert [mover.provider_id for mover in facts.outliers] == [one.pk]
    assert facts.grades == (("A", 2, 1), ("B", 0, 1), ("C", 1, 0))


def test_reviewing_and_publishing_read_flat() -> None:
    rows.rubric()
    rating, second = rows.staff(Role.RATING), rows.staff(Role.RATING)
    counts = []
    for size in (3, 30):
        run = frozen({factories.provider(): (n, n) for n in range(size)})
        compute_run(run.pk)
        publish.review_run(run.pk, note="x", actor=rating)
        with CaptureQueriesContext(connection) as queries:
            review_facts(run)
        read = len(queries)
        with CaptureQueriesContext(connection) as queries:
            publish.publish_run(run.pk, actor=second)
        counts.append((read, len(queries)))
    # The second publication supersedes the first and compares itself with it.
    assert counts[1][0] - counts[0][0] <= 1
    assert counts[1][1] - counts[0][1] <= 3


@pytest.mark.django_db(transaction=True)
def test_twins_publish_once() -> None:
    rows.rubric()
    rating, second = rows.staff(Role.RATING), rows.staff(Role.RATING)
    provider = factories.provider()
    runs = []
    for sessions in (10, 20, 30, 40):
        run = frozen({provider: (sessions, 100)})
        compute_run(run.pk)
        publish.review_run(run.pk, note="x", actor=rating)
        runs += [run.pk, run.pk]

    def attempt(run_id: int) -> bool:
        try:
            publish.publish_run(run_id, actor=second)
        except WrongStatus:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert sum(threads.map(attempt, runs)) == 4
    assert Run.objects.filter(status=Run.Status.PUBLISHED).count() == 1
    assert Run.objects.filter(status=Run.Status.SUPERSEDED).count() == 3
    assert Publication.objects.filter(supersedes=None).count() == 1
    assert ledger.oldest_mark_age("run") is None


def test_an_upheld_appeal_runs_its_provider_again_and_nobody_else() -> None:
    rows.rubric()
    rating, publisher = rows.staff(Role.RATING), rows.staff(Role.RATING)
    ours, theirs = (factories.provider(approved_on=SINCE) for _ in range(2))
    owner = factories.owner(ours)
    shops = {one: rows.trading(one, orders=10, sessions=1, since=SINCE)[0] for one in (ours, theirs)}
    rows.drain("roll_up", "score")

    def publish_next(run: Run) -> Run:
        publish.freeze_run(run.pk, actor=rating)
        rows.drain("run")
        publish.review_run(run.pk, note="已核对", actor=rating)
        publish.publish_run(run.pk, actor=publisher)
        run.refresh_from_db()
        return run

    first = publish_next(publish.open_run(rows.AS_OF, actor=rating))
    contested = Score.objects.get(run=first, provider=ours)
    filed = contest.file_contest(contested.pk, text="六月有订单未计入", actor=owner)
    with pytest.raises(WrongStatus):
        publish.rerun_contested(filed.pk, actor=rating)
    day = rows.AS_OF - timedelta(days=1)
    late = [f"{day},{shop.code},710" for shop in shops.values()]
    rows.deliver("sales", "day,merchant,paid_orders", late)
    rows.drain("roll_up", "score")
    contest.answer_contest(filed.pk, upheld=True, answer="已更正", actor=rating)
    with pytest.raises(NotAllowed):
        publish.rerun_contested(filed.pk, actor=owner)

    second = publish_next(publish.rerun_contested(filed.pk, actor=rating))
    first.refresh_from_db()
    assert (first.status, second.corrects, second.contest) == (Run.Status.SUPERSEDED, first, filed)
    assert second.rubric_version == first.rubric_version
    points = {score.provider_id: score.published for score in Score.objects.filter(run=second)}
    assert points == {ours.pk: Decimal("95.0"), theirs.pk: Decimal("60.0")}, "only the appeal's provider is read anew"
    assert Score.objects.get(pk=contested.pk).published == Decimal("60.0"), "the old result is kept"
    before, after = (RunInput.objects.get(run=run).as_core() for run in (first, second))
    row = before.row(str(theirs.pk))
    assert after.take([row]).to_bytes() == before.take([row]).to_bytes()
    cut_offs = {score.provider_id: score.cut_off for score in Score.objects.filter(run=second)}
    assert cut_offs == {ours.pk: second.cut_off, theirs.pk: first.cut_off}
    rerun = AuditEntry.objects.about(second).get(action="rerun_contested")
    assert rerun.detail == {"corrects": first.pk, "contest": filed.pk}

    # The other provider's appeal corrects what stands now, and keeps the first correction.
    other = contest.file_contest(
        Score.objects.get(run=first, provider=theirs).pk, text="同上", actor=factories.owner(theirs)
    )
    contest.answer_contest(other.pk, upheld=True, answer="已更正", actor=rating)
    third = publish_next(publish.rerun_contested(other.pk, actor=rating))
    assert third.corrects == second
    points = {score.provider_id: score.published for score in Score.objects.filter(run=third)}
    assert points == {ours.pk: Decimal("95.0"), theirs.pk: Decimal("95.0")}
    cut_offs = {score.provider_id: score.cut_off for score in Score.objects.filter(run=third)}
    assert cut_offs == {ours.pk: second.cut_off, theirs.pk: third.cut_off}
