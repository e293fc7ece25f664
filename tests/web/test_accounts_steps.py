"""Accounts, tokens, notices and the outbox: steps and what they leave behind."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from pytest_django.fixtures import DjangoAssertNumQueries, Settings

from ecosystem import notices
from ecosystem.accounts import ACCOUNTS, MACHINE_TOKEN, create_demo_accounts, demo_accounts
from ecosystem.errors import InvalidInput, NotAllowed
from ecosystem.models import ApiToken, AuditEntry, Notice, OutboxMessage, User
from ecosystem.roles import STAFF, Role
from ecosystem.steps import accounts
from ecosystem.steps.deliver import ATTEMPTS, claim, deliver
from ecosystem.steps.notify import mark_read, notify, post_email
from ecosystem.tasks import deliver_outbox
from providers.current import SESSION_KEY
from providers.demo_members import attach_demo_members
from providers.models import Membership, Provider
from providers.models.members import MemberRole
from tests import factories
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fast_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


APPROVED = {"provider": "橙舟（演示）"}


@pytest.fixture(autouse=True)
def memory_mail(settings: Settings) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    mail.outbox = []


# Accounts


def test_an_account_is_opened_by_the_administrator_and_recorded() -> None:
    admin = factories.user(Role.ADMINISTRATOR)
    user = accounts.open_account(" Rater@Example.com ", role=Role.RATING, actor=admin, name="何")
    assert (user.email, user.role, user.has_usable_password()) == ("rater@example.com", Role.RATING, False)
    entry = AuditEntry.objects.get(action="open_account")
    assert (entry.actor, entry.subject_id, entry.detail) == (admin, user.pk, {"role": "rating"})


@pytest.mark.parametrize("email", ["", "no-address", "RATER@example.com"])
def test_an_account_is_not_opened_twice_or_for_nobody(email: str) -> None:
    accounts.open_account("rater@example.com", role=Role.RATING, actor=None)
    with pytest.raises(InvalidInput):
        accounts.open_account(email, role=Role.RATING, actor=None)
    assert User.objects.count() == 1


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMINISTRATOR}))
def test_only_administrators_manage_accounts(role: Role) -> None:
    actor, other, machine = factories.user(role), factories.user(), factories.user(Role.MACHINE)
    with pytest.raises(NotAllowed):
        accounts.open_account("a@example.com", role=Role.RATING, actor=actor)
    with pytest.raises(NotAllowed):
        accounts.change_account(other.pk, role=Role.FINANCE, is_active=True, actor=actor)
    with pytest.raises(NotAllowed):
        accounts.issue_token(machine.pk, label="x", days=1, actor=actor)
    assert not AuditEntry.objects.exists()
    assert not ApiToken.objects.exists()


def test_nobody_changes_his_own_role() -> None:
    admin = factories.user(Role.ADMINISTRATOR)
    with pytest.raises(InvalidInput):
        accounts.change_account(admin.pk, role=Role.FINANCE, is_active=True, actor=admin)
    other = factories.user(Role.RATING)
    changed = accounts.change_account(other.pk, role=Role.FINANCE, is_active=False, actor=admin)
    assert (changed.role, changed.is_active) == (Role.FINANCE, False)
    assert AuditEntry.objects.get().detail["before"] == {"role": "rating", "is_active": True}


def test_a_token_is_shown_once_and_kept_as_its_digest() -> None:
    admin, machine = factories.user(Role.ADMINISTRATOR), factories.user(Role.MACHINE)
    token = accounts.issue_token(machine.pk, label="warehouse", days=30, actor=admin)
    row = ApiToken.objects.get()
    assert row.digest == accounts.digest_of(token)
    assert token not in str(AuditEntry.objects.get().detail)
    assert timedelta(days=29) < row.expires_at - timezone.now() <= timedelta(days=30)
    accounts.revoke_token(row.pk, actor=admin)
    assert not ApiToken.objects.exists()
    assert AuditEntry.objects.filter(action="revoke_token", subject_id=machine.pk).exists()


@pytest.mark.parametrize("days", [0, -1, 367])
def test_a_token_has_an_end(days: int) -> None:
    machine = factories.user(Role.MACHINE)
    with pytest.raises(InvalidInput):
        accounts.issue_token(machine.pk, label="x", days=days, actor=None)


def test_people_get_no_tokens() -> None:
    with pytest.raises(InvalidInput):
        accounts.issue_token(factories.user(Role.ADMINISTRATOR).pk, label="x", days=1, actor=None)
    assert not ApiToken.objects.exists()


# Demo


def test_demo_accounts_exist_only_in_the_demo(settings: Settings) -> None:
    with pytest.raises(NotAllowed):
        list(demo_accounts())
    with pytest.raises(NotAllowed):
        create_demo_accounts()
    assert not User.objects.exists()
    settings.DEMO = True
    first, again = create_demo_accounts(), create_demo_accounts()
    assert {user.pk for user in first.values()} == {user.pk for user in again.values()}
    assert {role for _name, role, _label, _person in ACCOUNTS} == set(Role)
    assert User.objects.count() == len(ACCOUNTS)
    assert ApiToken.objects.get().digest == accounts.digest_of(MACHINE_TOKEN)
    for account in demo_accounts():
        user = User.objects.get(email=account.email)
        assert user.check_password(account.password) or user.role == Role.MACHINE


def test_demo_members_act_for_their_providers(settings: Settings) -> None:
    settings.DEMO = True
    mine, other = factories.provider(), factories.provider()
    attach_demo_members(mine.pk, other_provider_id=other.pk)
    attach_demo_members(mine.pk, other_provider_id=other.pk)
    found = {(row.user.email.partition("@")[0], row.provider_id, row.role) for row in Membership.objects.all()}
    assert found == {
        ("owner", mine.pk, "owner"),
        ("analyst", mine.pk, "analyst"),
        ("operator", mine.pk, "operator"),
        ("other", other.pk, "owner"),
    }


# Home and the provider worked for


def test_home_sends_everybody_to_their_own_work(client: Client) -> None:
    assert client.get("/").status_code == 200
    sign_in(client, factories.owner())
    assert client.get("/")["Location"] == reverse("providers:home")
    assert client.get(reverse("providers:home"))["Location"] == reverse("scoring:score")
    sign_in(client, factories.member(role=MemberRole.OPERATOR).user)
    assert client.get(reverse("providers:home"))["Location"] == reverse("providers:bindings")
    page = client.get(reverse("providers:bindings")).content.decode()
    assert f'href="{reverse("scoring:score")}"' not in page, "no way to a page that refuses an operator"
    sign_in(client, factories.owner(factories.provider(Provider.Status.SUBMITTED)))
    assert client.get(reverse("providers:home"))["Location"] == reverse("providers:application")
    sign_in(client, factories.user())
    assert client.get(reverse("providers:home"))["Location"] == reverse("providers:apply")
    for role in sorted(STAFF):
        sign_in(client, factories.user(role))
        assert client.get("/")["Location"] == reverse("admin:index")


def test_a_member_changes_only_to_his_own_providers(client: Client) -> None:
    user = factories.user()
    first, second, foreign = (
        factories.provider(name="甲（演示）"),
        factories.provider(name="乙（演示）"),
        factories.provider(),
    )
    for provider in (first, second):
        factories.member(provider, person=user)
    sign_in(client, user)
    assert client.post(reverse("providers:switch", args=[foreign.pk])).status_code == 404
    assert SESSION_KEY not in client.session
    assert client.get(reverse("providers:switch", args=[second.pk])).status_code == 405
    for provider, rest in ((second, first), (first, second)):
        client.post(reverse("providers:switch", args=[provider.pk]))
        page = client.get("/notices/")
        assert page.context["member"].provider == provider
        assert page.context["member"].others == (rest,)


def test_a_lost_membership_is_not_worked_for(client: Client) -> None:
    membership = factories.member()
    sign_in(client, membership.user)
    client.post(reverse("providers:switch", args=[membership.provider_id]))
    membership.delete()
    assert client.get("/notices/").context["member"].provider is None


# Notices


def test_every_kind_of_notice_can_be_written_in_both_languages() -> None:
    samples: dict[str, object] = {"fen": 12_400_000_000, "count": 5, "points": "65.04", "day": "2022-06-30"}
    for kind, wording in notices.KINDS.items():
        params = {name: samples.get(name.rpartition("_")[2], "X") for name in wording.names}
        for language in ("zh-hans", "en"):
            with translation.override(language):
                text = notices.sentence(Notice(kind=kind, params=params))
            assert text
            assert "{" not in text, kind


def test_a_notice_with_a_wrong_kind_or_a_missing_value_is_not_left() -> None:
    user = factories.user()
    with pytest.raises(ValueError, match="unknown kind"):
        notify([user], "no_such_kind")
    with pytest.raises(ValueError, match="needs provider"):
        notify([user], "application_approved")
    assert not Notice.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_notices_are_read_in_the_readers_language_and_money() -> None:
    params = {
        "provider": "橙舟（演示）",
        "plan_text": {"zh-hans": "造风者计划", "en": "Wind-makers plan"},
        "before_text": None,
        "after_text": {"zh-hans": "过亿", "en": "over 100 million"},
        "value_fen": 12_400_000_000,
    }
    with translation.override("en"):
        text = notices.sentence(Notice(kind="band_changed", params=params))
    assert "Wind-makers plan" in text
    assert "RMB 124.0 million" in text


def test_important_notices_are_mailed_once_in_the_recipients_language() -> None:
    english, chinese, gone = factories.user(language="en"), factories.user(), factories.user(is_active=False)
    for _ in range(2):
        notify([english, chinese, gone], "application_approved", params=APPROVED, url="/score/", key="approve:1")
    assert Notice.objects.filter(user=gone).count() == 0
    assert OutboxMessage.objects.count() == 2
    message = OutboxMessage.objects.get(recipient=english.email)
    assert message.subject == "橙舟（演示） has been approved as a service provider."
    assert "http://127.0.0.1:8000/score/" in message.body
    notify([english], "provider_resumed", params=APPROVED)
    assert OutboxMessage.objects.filter(recipient=english.email).count() == 2
    notify([english], "binding_confirmed", params=APPROVED | {"subject": "店"})
    assert OutboxMessage.objects.filter(recipient=english.email).count() == 2


def test_a_notice_rolls_back_with_its_cause() -> None:
    user = factories.user()

    @transaction.atomic
    def decide() -> None:
        notify([user], "application_approved", params=APPROVED)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        decide()
    assert not Notice.objects.exists()
    assert not OutboxMessage.objects.exists()


def test_the_list_pages_by_key_and_marks_read(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    user = factories.user(language="en")
    sign_in(client, user)
    notify([user], "provider_resumed", params=APPROVED)
    few = len(connection_queries(client))
    for _ in range(34):
        notify([user], "provider_resumed", params=APPROVED)
    assert len(connection_queries(client)) == few
    page = client.get("/notices/")
    assert len(page.context["notices"]) == 30
    rest = client.get("/notices/" + page.context["next_url"])
    assert len(rest.context["notices"]) == 5
    assert rest.context["next_url"] == ""
    one = page.context["notices"][0]
    assert client.post(reverse("open-notice", args=[one.pk]))["Location"] == "/notices/"
    assert client.get("/notices/").context["account"]["unread"] == 34
    assert mark_read(user.pk) == 34
    assert mark_read(user.pk) == 0


def connection_queries(client: Client) -> list[dict[str, str]]:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        client.get("/notices/")
    return captured.captured_queries


def test_a_visitors_page_asks_the_database_nothing(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert client.get("/").status_code == 200


# Outbox


def test_a_mail_leaves_once_and_its_text_is_forgotten() -> None:
    user = factories.user(language="en")
    first = post_email("k:1", to=user, template="password_reset_key", context={"password_reset_url": "http://x/secret"})
    assert (
        post_email("k:1", to=user, template="password_reset_key", context={"password_reset_url": "http://x/2"}) is None
    )
    assert first is not None
    deliver_outbox()
    deliver_outbox()
    assert [(letter.to, letter.subject) for letter in mail.outbox] == [([user.email], "Set a new password")]
    assert "http://x/secret" in mail.outbox[0].body
    assert mail.outbox[0].extra_headers["Message-ID"] == "<k.1@portal>"
    first.refresh_from_db()
    assert first.sent_at is not None
    assert first.body == ""


def test_a_failing_server_delays_and_finally_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    post_email(
        "k:1",
        to="a@example.com",
        template="notice",
        context={"notice": Notice(kind="provider_resumed", params=APPROVED)},
    )

    def refuse(self: EmailMessage, **kwargs: object) -> int:
        raise OSError("connection refused")

    monkeypatch.setattr(EmailMessage, "send", refuse)
    waits = []
    for number in range(1, ATTEMPTS + 1):
        assert deliver() == 0
        message = OutboxMessage.objects.get()
        assert (message.attempts, message.sent_at) == (number, None)
        assert "connection refused" in message.last_error
        waits.append(message.not_before - timezone.now())
        assert deliver() == 0
        assert OutboxMessage.objects.get().attempts == number
        OutboxMessage.objects.update(not_before=timezone.now())
    assert waits == sorted(waits)
    monkeypatch.undo()
    assert deliver() == 0
    assert OutboxMessage.objects.get().body == ""


def test_a_claimed_message_comes_back_when_its_process_died() -> None:
    post_email(
        "k:1",
        to="a@example.com",
        template="notice",
        context={"notice": Notice(kind="provider_resumed", params=APPROVED)},
    )
    assert claim() is not None
    assert deliver() == 0
    OutboxMessage.objects.update(not_before=timezone.now())
    assert deliver() == 1
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_two_deliverers_send_nothing_twice() -> None:
    for number in range(12):
        post_email(
            f"k:{number}",
            to="a@example.com",
            template="notice",
            context={"notice": Notice(kind="provider_resumed", params=APPROVED)},
        )
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        try:
            deliver()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(letter.extra_headers["Message-ID"] for letter in mail.outbox) == sorted(
        f"<k.{number}@portal>" for number in range(12)
    )
    assert not OutboxMessage.objects.filter(sent_at=None).exists()
