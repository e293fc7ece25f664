"""A provider's owner: from the invitation to the score, its reasons, an objection and the answer."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ecosystem.roles import Role
from providers.models import Batch
from providers.models.members import MemberRole
from providers.steps.members import invite_member
from scoring import current
from scoring.core.change import CAUSES
from scoring.models import Contest, Score
from scoring.steps.score import score_population
from tests import factories
from tests.browser.market import Market, open_market
from tests.browser.visitor import Visitor, mail_to
from tests.scoring import rows

if TYPE_CHECKING:
    from tests.browser.conftest import Arrive

pytestmark = pytest.mark.django_db(transaction=True)
OBJECTION = "6 月 12 日的场次没有计入，附场次清单（演示）"
ANSWER = "已核对：该日场次不足 30 分钟，不计入（演示）"


def test_invitation_to_answer(arrive: Arrive, language: str) -> None:
    market = open_market()
    owner = arrive("owner")
    sign_up(owner, market)
    score = read_score(owner, market)
    contest = object_to(owner, score)
    rating = arrive("rating").be(factories.user(Role.RATING, language=language))
    rating.open(f"/admin/scoring/contest/{contest.pk}/change/")
    rating.look("contest")
    rating.follow("a[href$='/step/answer/']")
    rating.fill(answer=ANSWER)
    rating.send()
    rating.look("answered")

    owner.open("/notices/")
    owner.look("notices")
    owner.page.locator("main form[action^='/notices/'] .link-button").first.click()
    owner.open("/contests/")
    owner.look("answer")
    assert ANSWER in owner.text()
    contest.refresh_from_db()
    assert (contest.status, contest.answer) == (Contest.Status.DISMISSED, ANSWER)


def sign_up(owner: Visitor, market: Market) -> None:
    """Follow the mailed invitation, open an account, accept."""
    email = "owner@example.com"
    invite_member(market.provider.pk, email=email, role=MemberRole.OWNER, actor=factories.user(Role.RECRUITING))
    owner.open(mail_to(email, r"(http\S+/invitations/\S+)"))
    owner.look("invitation")
    assert market.provider.name in owner.text()
    owner.follow("main .btn-primary")
    owner.fill(name="林演示", email=email, password1=factories.PASSWORD, password2=factories.PASSWORD)
    owner.send()
    owner.send()
    assert owner.page.url.endswith("/score/")


def read_score(owner: Visitor, market: Market) -> Score:
    """Read the score, then one indicator down to its facts and their batches."""
    score = current.score_of(market.provider.pk, current.current_run())
    assert score is not None
    owner.look("score")
    assert f"{score.published:.1f}" in owner.text()
    assert owner.page.locator(".as-of-provisional").count() > 0
    assert owner.page.locator("table.way").count() > 0
    owner.follow(f"a[href='/score/{score.pk}/S1/']")
    owner.look("indicator")
    batch = Batch.objects.get(feed="sales")
    delivered = owner.page.locator("#facts ~ .table-wrap").last.inner_text()
    assert batch.key in delivered
    # 30 days with 10 orders each are what the formula read, and 30 points.
    assert re.search(r"paid_orders.*\b300\b", owner.page.locator("#facts ~ .table-wrap").first.inner_text(), re.S)
    assert "30.0" in owner.page.locator(".figure-row").inner_text()
    owner.open("/score/history/")
    owner.look("history")
    why_it_changed(owner, score)
    owner.open("/figures/?measure=paid_orders&days=7")
    owner.look("figures")
    assert owner.page.locator(".sum .num").inner_text() == "70"
    with owner.page.expect_download() as download:
        owner.page.locator("a.csv").last.click()
    assert download.value.suggested_filename.endswith(".csv")
    return score


def why_it_changed(owner: Visitor, score: Score) -> None:
    """Compare with an earlier score, replay it, and see what moved live GMV."""
    score_population(rows.AS_OF - timedelta(days=7))
    owner.open(f"/score/change/?to={score.pk}&indicator=S1")
    owner.look("change")
    assert owner.page.locator("#causes ~ .table-wrap tbody tr").count() == len(CAUSES)
    assert owner.page.locator("#behind").count() == 1
    owner.open(f"/score/replay/?score={score.pk}")
    owner.look("replay")
    replayed, stored = owner.page.locator("#bytes ~ dl code").all_inner_texts()
    assert replayed == stored
    owner.open("/score/gmv/")
    owner.look("gmv")
    assert owner.page.locator("#live ~ .table-wrap tbody tr").count() == 5


def object_to(owner: Visitor, score: Score) -> Contest:
    """Object to the indicator from its own page."""
    owner.open(f"/score/{score.pk}/L1/")
    owner.follow("a[href*='/contest']")
    owner.look("objection")
    assert owner.page.locator("[name=node]").input_value() == "L1"
    owner.fill(text=OBJECTION)
    owner.send()
    owner.look("objections")
    assert OBJECTION in owner.text()
    return Contest.objects.get(score=score, node="L1")
