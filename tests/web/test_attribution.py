"""Who gets this order, and why: the same answer as the roll-up's, and to everybody only what is theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ecosystem.models import User
from ecosystem.roles import Role
from providers.attribution import attribution
from providers.models import Binding, Merchant
from providers.models.members import MemberRole
from tests import factories
from tests.flow.rolling import JUNE, batch, day, days_of, fact, redo
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared() -> Binding:
    """A shared operation binding, with training beside it and a sale on the third day."""
    lead = factories.binding(subject=factories.merchant(), starts_on=JUNE, evidence="合同 1")
    factories.share(lead, 3333)
    factories.binding(subject=lead.merchant, role="training", starts_on=JUNE)
    fact("sales", "merchant", day(3), lead.merchant.pk, batch=batch(), gmv_strict=100, gmv_settled=100)
    return lead


def test_the_answer_is_what_the_roll_up_counts(shared: Binding) -> None:
    redo(shared.provider_id)
    assert shared.merchant is not None
    found = attribution(factories.user(Role.AUDITOR), shared.merchant, day(3))
    assert found is not None
    assert [(claim.role, claim.rule, claim.way) for claim in found.claims] == [
        ("operation", "counts", "merchant"),
        ("training", "other", "merchant"),
    ]
    for claim in found.claims:
        for party in claim.parties:
            binding = Binding.objects.get(pk=party.binding)
            once = days_of(binding.provider_id, "gmv_settled_once").get(3, 0)
            assert once == (party.gmv_settled_fen if claim.rule == "counts" else 0)
    assert [(p.share, p.is_lead, p.gmv_settled_fen) for p in found.claims[0].parties] == [
        ("66.67%", True, 67),
        ("33.33%", False, 33),
    ]
    assert found.claims[0].parties[0].consent == "演示商家 · 合同 1"
    assert attribution(factories.user(Role.AUDITOR), shared.merchant, day(1).replace(year=2021)).claims == ()  # type: ignore[union-attr]


def test_a_room_speaks_for_itself_or_for_its_store(shared: Binding) -> None:
    other = factories.binding(subject=factories.merchant(), starts_on=JUNE)
    room = factories.streamer(merchant=other.merchant)
    staff = factories.user(Role.AUDITOR)
    shop: Merchant = shared.merchant  # type: ignore[assignment]

    def ways() -> list[tuple[str, str, str]]:
        found = attribution(staff, shop, day(3), room)
        assert found is not None
        return [(claim.role, claim.way, claim.rule) for claim in found.claims]

    assert ways()[:2] == [("operation", "merchant", "counts"), ("operation", "store", "other")]
    factories.binding(subject=room, role="mcn", starts_on=JUNE)
    assert ways() == [("operation", "merchant", "counts"), ("mcn", "room", "other"), ("training", "merchant", "other")]


def test_the_rooms_that_sold_are_named_to_who_may_read_figures(shared: Binding) -> None:
    shop: Merchant = shared.merchant  # type: ignore[assignment]
    room = factories.streamer()
    fact("sales", "merchant", day(3), shop.pk, batch=batch(), room=room.pk, gmv_settled=7)
    operator = factories.member(shared.provider, MemberRole.OPERATOR).user
    for person, rooms in ((factories.owner(shared.provider), (room,)), (operator, ())):
        found = attribution(person, shop, day(3))
        assert found is not None
        assert found.rooms == rooms


def test_members_see_their_own_part_and_no_name_besides(shared: Binding) -> None:
    share = shared.shares.get()
    shop: Merchant = shared.merchant  # type: ignore[assignment]
    owner, operator = (factories.member(share.provider, role).user for role in (MemberRole.OWNER, MemberRole.OPERATOR))
    found = attribution(owner, shop, day(3))
    assert found is not None
    lead, mine = found.claims[0].parties
    assert (lead.provider, lead.code, lead.binding, lead.consent, lead.gmv_settled_fen) == ("", "", None, "", None)
    assert (mine.provider, mine.share_bp, mine.gmv_settled_fen) == (share.provider.name, 3333, 33)
    assert attribution(operator, shop, day(3)).claims[0].parties[1].gmv_settled_fen is None  # type: ignore[union-attr]
    assert attribution(factories.owner(), shop, day(3)) is None


def answers(client: Client, person: User, **asked: Any) -> tuple[int, str, int]:
    User.objects.filter(pk=person.pk).update(language="en")
    sign_in(client, person)
    page = client.get(reverse("providers:order"), {f"{k}_code" if k != "day" else k: v for k, v in asked.items()})
    return page.status_code, page.content.decode(), client.get(reverse("api-attribution"), asked).status_code


def test_page_and_rest_answer_whoever_has_a_part_and_nobody_else(client: Client, shared: Binding) -> None:
    assert shared.merchant is not None
    asked = {"merchant": shared.merchant.code, "day": "2022-06-03"}
    status, text, rest = answers(client, factories.owner(shared.provider), **asked)
    assert (status, rest) == (200, 200)
    assert shared.provider.name in text
    assert "another provider" in text
    assert "66.67%" in text
    stranger = factories.owner()
    refused = answers(client, stranger, **asked)
    unknown = answers(client, stranger, merchant="M-nobody", day="2022-06-03")
    assert (refused[0], refused[2]) == (unknown[0], unknown[2]) == (422, 404)
    assert "no part in orders" in refused[1]
    assert "no part in orders" in unknown[1]


def test_rest_says_it_in_full_at_the_same_cost_for_many_shares(
    client: Client, shared: Binding, django_assert_num_queries: Any
) -> None:
    assert shared.merchant is not None
    sign_in(client, factories.user(Role.AUDITOR))
    asked = {"merchant": shared.merchant.code, "day": "2022-06-03"}
    body = client.get(reverse("api-attribution"), asked).json()
    [first, second] = body["claims"][0]["parties"]
    assert (first["provider"], first["share_bp"], first["gmv_settled_fen"]) == (shared.provider.code, 6667, 67)
    assert (second["is_lead"], second["binding"]) == (False, str(shared.shares.get().pk))
    assert body["claims"][1]["rule"] == "other"
    staff = factories.user(Role.AUDITOR)
    with django_assert_num_queries(5):
        attribution(staff, shared.merchant, day(3))
    for _ in range(5):
        factories.share(shared, 100)
    with django_assert_num_queries(5):
        attribution(staff, shared.merchant, day(3))
