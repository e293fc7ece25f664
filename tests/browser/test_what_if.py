"""A draft: tried beside the scores in force, kept, put before the providers; and a provider's own what-if."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ecosystem.roles import Role
from scoring import current
from scoring.models import BudgetPool, Comment, Consultation, RubricVersion, Scenario
from tests import factories
from tests.browser.market import Market, open_market
from tests.browser.test_any_window import PHONE
from tests.browser.test_publication import take
from tests.browser.visitor import Visitor
from tests.scoring import rows
from tests.scoring.test_what_if import granted

if TYPE_CHECKING:
    from ecosystem.models import User
    from tests.browser.conftest import Arrive

pytestmark = pytest.mark.django_db(transaction=True)
WHAT_IF = "/admin/scoring/scenario/what-if/"
COMMENT = "直播权重过高，供应链型服务商吃亏（演示）"


def test_a_draft_from_what_if_to_consultation(arrive: Arrive, language: str) -> None:
    market = open_market()
    granted(BudgetPool.objects.get(code="ZAOFENG_2021/traffic"), market.provider, 5_000_000)
    rating = arrive("rating").be(factories.user(Role.RATING, language=language))
    version = try_and_keep(rating)
    take(rating, "validate")
    until = (rows.AS_OF + timedelta(days=14)).isoformat()
    period = {"starts_on": rows.AS_OF.isoformat(), "ends_before": until}
    take(rating, "consult", "open-consultation", **period, note="直播更重（演示）")
    owner = reader(market, language)
    answer(arrive("owner").be(owner))
    rating.open(f"/admin/scoring/rubricversion/{version.pk}/change/")
    rating.look("in-consultation")
    rating.follow(f"a[href*='/scoring/consultation/{Consultation.objects.get().pk}/']")
    rating.look("comments")
    assert COMMENT in rating.text()
    # The same without JavaScript on a telephone.
    phone = arrive("phone", java_script_enabled=False, **PHONE).be(owner)
    phone.open("/consultation/")
    phone.look("consultation")
    assert COMMENT in phone.text()


def try_and_keep(rating: Visitor) -> RubricVersion:
    """Edit a draft, see who wins and loses, save the scenario, and go on to a version of the rubric."""
    rating.open(WHAT_IF)
    rating.look("what-if")
    rating.fill(**{"weight-LIVE": "3"})
    rating.send()
    rating.look("impact")
    # Sessions give 90, 90, 0 and 90 points: 60, 90, 6 and 75 in all become 75, 90, 3 and 82.5.
    winners, losers, unchanged = rating.page.locator(".portal-figures dd").all_inner_texts()[:3]
    assert (winners, losers, unchanged) == ("2", "1", "1")
    for part in ("w-live", "w-moves", "w-cost", "w-categories", "w-movers"):
        assert rating.page.locator(f"[aria-labelledby={part}] tbody tr").count() > 0, part
    rating.fill(name="直播更重（演示）")
    rating.send("button[value=save]")
    rating.look("scenario")
    kept = Scenario.objects.get()
    assert kept.result_digest[:16] in rating.text()
    rating.follow(f"a[href*='scenario={kept.pk}']")
    rating.fill(version="2")
    rating.send("button[value=keep]")
    rating.look("draft")
    return RubricVersion.objects.get(version="2")


def answer(owner: Visitor) -> None:
    """Follow the notice to the shadow score, and say what one thinks of the draft."""
    owner.open("/score/")
    owner.follow("a[href='/consultation/']")
    owner.look("consultation")
    before, shadow, _ = owner.page.locator(".figure-row dd").all_inner_texts()
    assert ("60.0" in before, "75.0" in shadow) == (True, True)
    owner.fill(node="LIVE", text=COMMENT)
    owner.send()
    owner.look("commented")
    assert Comment.objects.get().text == COMMENT


def test_a_providers_own_what_if(arrive: Arrive, language: str) -> None:
    market = open_market()
    person = reader(market, language)
    score = current.score_of(market.provider.pk, current.current_run())
    assert score is not None
    page = f"/score/{score.pk}/what-if"
    owner = arrive("owner").be(person)
    owner.open("/score/")
    owner.follow(f"a[href='{page}']")
    owner.look("sliders")
    with owner.page.expect_response(lambda answer: page in answer.url):
        owner.page.locator("input[type=range]").last.fill("500")
    # 500 orders instead of 300: 60 becomes 70, which is grade A.
    owner.page.locator("#outcome", has_text="70.0").wait_for()
    owner.look("moved")
    phone = arrive("phone", java_script_enabled=False, **PHONE).be(person)
    phone.open(page)
    phone.look("what-if")
    phone.fill(S1="500")
    phone.send("main .btn-primary")
    phone.look("tried")
    assert "70.0" in phone.page.locator("#outcome").inner_text()


def test_the_staffs_what_if_in_any_window(arrive: Arrive, language: str) -> None:
    open_market()
    rating = factories.user(Role.RATING, language=language)
    for who, options in (("phone", PHONE), ("without-javascript", {"java_script_enabled": False})):
        staff = arrive(who, **options).be(rating)
        staff.open(WHAT_IF)
        staff.look("what-if")
        staff.fill(**{"weight-LIVE": "3"})
        staff.send()
        staff.look("impact")
        staff.page.locator("details summary").first.click()
        staff.fill(**{"weight-LIVE": "-3"})
        staff.send()
        staff.look("refused")
        assert "-3" in staff.page.locator(".portal-refusal").inner_text()


def reader(market: Market, language: str) -> User:
    """Return an owner who reads this language."""
    person = factories.owner(market.provider)
    person.language = language
    person.save()
    return person
