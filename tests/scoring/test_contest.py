"""Contests: a member objects, a person answers, both hear of it."""

from __future__ import annotations

import pytest

from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import Notice
from ecosystem.roles import Role
from scoring.models import Contest
from scoring.steps.contest import answer_contest, file_contest
from tests import factories
from tests.scoring import rows

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def test_a_contest_goes_to_rating_and_its_answer_comes_back() -> None:
    rating = rows.staff(Role.RATING)
    provider = factories.provider()
    owner, analyst = factories.owner(provider), factories.owner(provider)
    score = rows.score(provider, rows.run(kind="provisional", status="computed", input_digest="0" * 64))
    contest = file_contest(score.pk, text="  场次少计  ", node="L1", actor=analyst)
    assert (contest.text, contest.node, contest.provider) == ("场次少计", "L1", provider)
    filed = Notice.objects.get(user=rating)
    assert (filed.kind, filed.url) == ("contest_filed", f"/admin/scoring/contest/{contest.pk}/change/")
    answer_contest(contest.pk, upheld=True, answer="已更正", actor=rating)
    contest.refresh_from_db()
    assert (contest.status, contest.answered_by) == (Contest.Status.UPHELD, rating)
    answered = Notice.objects.filter(kind="contest_answered", url="/contests/")
    assert {notice.user for notice in answered} == {owner, analyst}
    with pytest.raises(WrongStatus):
        answer_contest(contest.pk, upheld=False, answer="no", actor=rating)


def test_strangers_and_staff_cannot_contest() -> None:
    score = rows.score(in_run=rows.run(kind="provisional", status="computed", input_digest="0" * 64))
    for person in (factories.owner(), rows.staff(Role.RATING), rows.staff(Role.MACHINE)):
        with pytest.raises(NotAllowed):
            file_contest(score.pk, text="x", actor=person)
    assert not Contest.objects.exists()


def test_an_official_score_is_not_contested_before_it_is_published() -> None:
    provider = factories.provider()
    score = rows.score(provider, rows.run())
    with pytest.raises(NotAllowed):
        file_contest(score.pk, text="x", actor=factories.owner(provider))


def test_a_contest_names_something_the_score_has() -> None:
    provider = factories.provider()
    score = rows.score(provider, rows.run(kind="provisional", status="computed", input_digest="0" * 64))
    owner = factories.owner(provider)
    with pytest.raises(InvalidInput):
        file_contest(score.pk, text="x", node="NOPE", actor=owner)
    with pytest.raises(InvalidInput):
        file_contest(score.pk, text="   ", actor=owner)


def test_only_rating_staff_answers() -> None:
    provider = factories.provider()
    score = rows.score(provider, rows.run(kind="provisional", status="computed", input_digest="0" * 64))
    contest = file_contest(score.pk, text="x", actor=factories.owner(provider))
    with pytest.raises(NotAllowed):
        answer_contest(contest.pk, upheld=True, answer="x", actor=rows.staff(Role.GOVERNANCE))
    with pytest.raises(InvalidInput):
        answer_contest(contest.pk, upheld=True, answer=" ", actor=rows.staff(Role.RATING))
    assert Contest.objects.get(pk=contest.pk).status == Contest.Status.OPEN
