"""The pages hold without JavaScript and on a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ecosystem.models import OutboxMessage
from providers.models import Binding
from scoring import current
from scoring.steps.score import score_population
from tests import factories
from tests.browser.market import DAYS, open_market
from tests.scoring import rows

if TYPE_CHECKING:
    from tests.browser.conftest import Arrive

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def test_without_javascript(arrive: Arrive, language: str) -> None:
    market = open_market()
    person = factories.owner(market.provider)
    person.language = language
    person.save()
    owner = arrive("owner", java_script_enabled=False).be(person)
    score = current.score_of(market.provider.pk, current.current_run())
    assert score is not None
    owner.open("/score/")
    owner.look("score")
    # A definition opens by the keyboard alone.
    meaning = owner.page.locator("details.meaning, details.chart-data").first
    meaning.locator("summary").focus()
    owner.page.keyboard.press("Enter")
    assert meaning.get_attribute("open") is not None
    owner.follow(f"a[href='/score/{score.pk}/L1/']")
    owner.look("indicator")
    shop = factories.merchant()
    owner.open("/bindings/new/")
    owner.look("proposal")
    owner.page.locator("[name=kind][value=merchant]").check()
    owner.fill(code=shop.code, role="operation", starts_on=DAYS[-1].isoformat())
    owner.send("main .btn-primary")
    owner.look("proposed")
    assert Binding.objects.get(merchant=shop).status == Binding.Status.PROPOSED
    assert OutboxMessage.objects.filter(recipient=shop.contact_email).exists()


def test_on_a_phone(arrive: Arrive, language: str) -> None:
    market = open_market()
    person = factories.owner(market.provider)
    person.language = language
    person.save()
    owner = arrive("owner", **PHONE).be(person)
    score_population(rows.AS_OF - timedelta(days=7))
    for page in (
        "score",
        "score/history",
        "score/change",
        "score/replay",
        "score/gmv",
        "plan",
        "figures",
        "contests",
        "bindings",
        "bindings/new",
        "people",
        "notices",
    ):
        owner.open(f"/{page}/")
        owner.look(page.replace("/", "-"))
