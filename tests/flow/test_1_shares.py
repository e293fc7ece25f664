"""Splits, transfers and their cool-down: who must agree, what waits, what ends with what."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.db import connection, transaction
from psycopg.types.range import DateRange

from ecosystem.clock import business_today
from ecosystem.errors import DomainError, InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, Notice, OutboxMessage, User, WorkMark
from ecosystem.roles import Role
from providers.choices import BindingRole
from providers.errors import CoolingDown, LinkUnusable
from providers.models import Batch, Binding, Provider, RegisterVersion
from providers.models.members import MemberRole
from providers.steps import bind, split
from providers.steps.bind_import import BindingRow, import_bindings
from tests import factories

pytestmark = [pytest.mark.server, pytest.mark.django_db]
FIRST = date(2022, 6, 1)


def offered(lead: Binding, bp: int = 4000, to: Provider | None = None, **values: object) -> tuple[Binding, User]:
    """Offer a share as the lead's owner; return it with the owner who may accept it."""
    to = to or factories.provider()
    share = split.propose_share(
        lead.pk,
        provider_id=to.pk,
        share_bp=bp,
        starts_on=business_today(),
        actor=factories.owner(lead.provider),
        **values,  # type: ignore[arg-type]
    )
    return share, factories.owner(to)


def marked() -> dict[str, date | None]:
    return dict(WorkMark.objects.filter(kind="roll_up").order_by("pk").values_list("scope", "from_day"))


def test_a_share_counts_once_the_other_provider_accepts() -> None:
    lead = factories.binding(starts_on=FIRST)
    share, owner = offered(lead)
    assert (share.status, share.period.upper, lead.shares.confirmed().count()) == ("proposed", None, 0)
    assert marked() == {}
    for person in (factories.owner(lead.provider), factories.user(Role.CATEGORY_REGION)):
        with pytest.raises(NotAllowed):
            split.accept_share(share.pk, actor=person)
    accepted = split.accept_share(share.pk, actor=owner)
    assert (accepted.status, accepted.confirmed_by) == ("confirmed", owner.email)
    assert marked() == {str(share.provider_id): business_today()}
    assert Notice.objects.filter(kind="share_accepted", user__memberships__provider=lead.provider).exists()
    assert list(AuditEntry.objects.about(share).order_by("pk").values_list("action", flat=True)) == [
        "propose_share",
        "accept_share",
    ]
    with pytest.raises(WrongStatus):
        split.decline_share(share.pk, actor=owner)


def test_a_share_is_declined_or_taken_back_by_the_lead() -> None:
    lead = factories.binding(starts_on=FIRST)
    declined, owner = offered(lead)
    assert split.decline_share(declined.pk, actor=owner).status == "declined"
    back, _ = offered(lead, to=declined.provider)
    with pytest.raises(NotAllowed):
        bind.withdraw_proposal(back.pk, actor=factories.owner())
    assert bind.withdraw_proposal(back.pk, actor=factories.owner(lead.provider)).status == "withdrawn"
    assert marked() == {}


@pytest.mark.parametrize("wrong", ["all", "self", "past", "late", "share", "analyst", "twice"])
def test_a_share_that_cannot_be_is_refused(wrong: str) -> None:
    lead = factories.binding(starts_on=FIRST, ends_before=business_today() + timedelta(days=9))
    values = {"provider_id": factories.provider().pk, "share_bp": 5000, "starts_on": business_today()}
    actor = factories.owner(lead.provider)
    match wrong:
        case "all":
            factories.share(lead, 5000)
        case "self":
            values["provider_id"] = lead.provider_id
        case "past":
            values["starts_on"] = business_today() - timedelta(days=1)  # type: ignore[assignment]
        case "late":
            values["ends_before"] = business_today() + timedelta(days=10)  # type: ignore[assignment]
        case "share":
            lead = factories.share(lead, 100, factories.provider())
            actor = factories.owner(lead.provider)
        case "analyst":
            actor = factories.member(lead.provider, MemberRole.ANALYST).user
        case "twice":
            split.propose_share(lead.pk, actor=actor, **values)  # type: ignore[arg-type]
    with pytest.raises((InvalidInput, WrongStatus, NotAllowed)):
        split.propose_share(lead.pk, actor=actor, **values)  # type: ignore[arg-type]


def test_shares_end_with_their_lead_and_by_either_side() -> None:
    today = business_today()
    lead = factories.binding(starts_on=FIRST)
    share, later = factories.share(lead, 3000), factories.share(lead, 2000, period=DateRange(today, None))
    until = today - timedelta(days=3)
    bind.end(lead.pk, ends_before=until, actor=factories.user(Role.RECRUITING))
    share.refresh_from_db()
    later.refresh_from_db()
    assert (share.period, share.status) == (DateRange(FIRST, until), "confirmed")
    assert (later.period, later.status) == (DateRange(today, None), "withdrawn")
    assert marked() == dict.fromkeys(map(str, (share.provider_id, later.provider_id, lead.provider_id)), until)
    assert [RegisterVersion.objects.of(row).count() for row in (lead, share, later)] == [1, 1, 1]
    other = factories.share(factories.binding(starts_on=FIRST), 3000)
    with pytest.raises(NotAllowed):
        bind.end(other.pk, ends_before=today, actor=factories.owner())
    for day, side in ((9, other.provider), (5, other.lead.provider)):
        ended = bind.end(other.pk, ends_before=today + timedelta(days=day), actor=factories.owner(side))
        assert ended.period.upper == today + timedelta(days=day)


def test_shares_end_with_the_provider_of_their_lead_or_their_own() -> None:
    lead = factories.binding(starts_on=FIRST)
    share = factories.share(lead, 3000)
    with transaction.atomic():
        bind.end_all(lead.provider, ends_before=date(2022, 7, 1), cause="expel")
    share.refresh_from_db()
    assert share.period.upper == date(2022, 7, 1)
    assert set(marked()) == {str(share.provider_id), str(lead.provider_id)}


def test_an_import_that_shortens_a_binding_shortens_its_shares() -> None:
    lead = factories.binding(starts_on=FIRST)
    share = factories.share(lead, 3000)
    row = BindingRow(2, lead.provider_id, lead.merchant_id, None, "operation", FIRST, date(2022, 7, 1), "合同")
    batch: Batch = factories.batch("bindings")
    with transaction.atomic():
        assert import_bindings([row], batch=batch).changed == 1
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    share.refresh_from_db()
    assert share.period.upper == date(2022, 7, 1)
    assert import_bindings([row], batch=batch).same == 1


# --- transfers ----------------------------------------------------------------------------------------------------


def transfer(old: Binding, to: Provider, starts_on: date) -> tuple[Binding, str]:
    assert old.merchant is not None
    asked = bind.propose(
        to.pk,
        subject=old.merchant,
        role=BindingRole(old.role),
        starts_on=starts_on,
        takes_over=True,
        actor=factories.owner(to),
    )
    mail = OutboxMessage.objects.filter(recipient=old.merchant.contact_email).latest("pk")
    found = re.search(r"https?://\S+", mail.body)
    assert found is not None
    return asked, found.group().rstrip("/").rpartition("/")[2]


def test_a_transfer_waits_out_its_cool_down_and_ends_the_old_binding_when_confirmed() -> None:
    old, to = factories.binding(starts_on=FIRST), factories.provider()
    share = factories.share(old, 2500)
    owner = factories.owner(old.provider)
    earliest = business_today() + timedelta(days=settings.COOL_DOWN_DAYS)
    with pytest.raises(CoolingDown, match=str(earliest)):
        transfer(old, to, earliest - timedelta(days=1))
    asked, token = transfer(old, to, earliest)
    assert (asked.transfer_of_id, asked.cool_down_until) == (old.pk, earliest)
    assert Notice.objects.filter(user=owner, kind="transfer_asked").count() == 1
    old.refresh_from_db()
    assert old.period.upper is None
    bind.confirm(token)
    for row in (old, share):
        row.refresh_from_db()
        assert (row.period.upper, row.status) == (earliest, "confirmed")
    assert Binding.objects.confirmed().leads().filter(merchant=old.merchant).count() == 2
    assert marked() == dict.fromkeys(map(str, (share.provider_id, old.provider_id, to.pk)), earliest)
    assert Notice.objects.filter(user=owner, kind="binding_ended").count() == 1


def test_a_transfer_needs_somebody_to_take_over_from_and_a_day_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    old, to = factories.binding(starts_on=FIRST), factories.provider()
    earliest = business_today() + timedelta(days=settings.COOL_DOWN_DAYS)
    with pytest.raises(InvalidInput):
        transfer(old, old.provider, earliest)
    _asked, token = transfer(old, to, earliest)
    monkeypatch.setattr("providers.steps.bind.business_today", lambda: earliest + timedelta(days=1))
    with pytest.raises(LinkUnusable):
        bind.confirm(token)
    old.refresh_from_db()
    assert old.period.upper is None


def test_sister_companies_wait_longer() -> None:
    digest = factories.sha256("one account")
    today = business_today()
    mine, sister = (factories.provider(bank_account_digest=digest) for _ in range(2))
    gone = factories.binding(sister, starts_on=FIRST, ends_before=today - timedelta(days=100))
    for days, refused in ((79, True), (80, False)):
        starts_on = today + timedelta(days=days)
        try:
            bind.propose(
                mine.pk,
                subject=gone.merchant,
                role=BindingRole.OPERATION,
                starts_on=starts_on,
                actor=factories.owner(mine),
            )
        except CoolingDown:
            assert refused
        else:
            assert not refused


# --- at the same time ---------------------------------------------------------------------------------------------


def at_once(*steps: Callable[[], object]) -> list[object]:
    """Take steps in two connections, the second while the first has done its work and not committed."""
    found: list[object] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        try:
            found.append(steps[1]())
        except DomainError as refusal:
            found.append(refusal)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        # The step is durable by itself; here it stands inside, so that it can be held open.
        found.append(steps[0]())
        thread.start()
        started.wait()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the second step did not wait for the first"
    thread.join(timeout=20)
    return found


@pytest.mark.django_db(transaction=True)
def test_two_shares_accepted_at_once_never_exceed_the_whole() -> None:
    lead = factories.binding(starts_on=FIRST)
    shares = [offered(lead, 6000) for _ in range(2)]
    first, second = ((lambda one=one, owner=owner: accept(one, owner)) for one, owner in shares)
    done, refused = at_once(first, second)
    assert isinstance(done, Binding)
    assert isinstance(refused, InvalidInput)
    assert lead.shares.confirmed().count() == 1


def accept(share: Binding, owner: User) -> Binding:
    return within(split.accept_share)(share.pk, actor=owner)


@pytest.mark.django_db(transaction=True)
def test_a_transfer_confirmed_while_a_share_is_accepted_leaves_the_share_within_its_lead() -> None:
    old, to = factories.binding(starts_on=FIRST), factories.provider()
    share, owner = offered(old)
    earliest = business_today() + timedelta(days=settings.COOL_DOWN_DAYS)
    asked, token = transfer(old, to, earliest)
    at_once(lambda: accept(share, owner), lambda: confirm(token))
    for row in (old, share, asked):
        row.refresh_from_db()
    assert (share.status, asked.status) == ("confirmed", "confirmed")
    assert share.period.upper == old.period.upper == asked.period.lower == earliest


def confirm(token: str) -> Binding:
    return within(bind.confirm)(token)


def within[**P](step: Callable[P, Binding]) -> Callable[P, Binding]:
    """Take a durable step inside the transaction that is open here, if one is."""
    return step.__wrapped__ if connection.in_atomic_block else step  # type: ignore[attr-defined, no-any-return]
