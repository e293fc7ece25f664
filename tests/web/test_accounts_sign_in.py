"""Sign-in, sign-up, second factor, lock-out, language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from ecosystem.models import Notice, OutboxMessage, User
from ecosystem.roles import STAFF, Role
from ecosystem.steps.accounts import open_account
from tests import factories
from tests.web.sign_in import sign_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fast_hashes(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


PASSWORD = factories.PASSWORD
WRONG = "not the password at all"


def account(email: str = "lin@example.com", role: Role = Role.PROVIDER, **fields: str) -> User:
    return open_account(email, role=role, actor=None, password=PASSWORD, **fields)


def attempt(client: Client, email: str, password: str) -> _MonkeyPatchedWSGIResponse:
    return client.post(reverse("account_login"), {"login": email, "password": password})


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, max(yield_hotp_counters_from_time()))))


def test_sign_in_by_email_whatever_case_and_out_again(client: Client) -> None:
    account()
    answer = attempt(client, "LIN@example.com", PASSWORD)
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert signed_in(client)
    client.post(reverse("account_logout"))
    assert not signed_in(client)


def test_signing_out_needs_a_post(client: Client) -> None:
    sign_in(client, account())
    assert client.get(reverse("account_logout")).status_code == 200
    assert signed_in(client)


def test_a_wrong_password_does_not_tell_whether_the_account_exists(client: Client) -> None:
    account()
    known = attempt(client, "lin@example.com", WRONG).content.decode()
    unknown = attempt(client, "nobody@example.com", WRONG).content.decode()
    assert re.findall(r'role="alert">(.*?)</div>', known, re.S) == re.findall(
        r'role="alert">(.*?)</div>', unknown, re.S
    )
    assert 'role="alert"' in known
    assert not signed_in(client)


def test_lock_out_holds_here_and_never_elsewhere(settings: Settings) -> None:
    account()
    account("zhou@example.com")
    attacker, owner = Client(REMOTE_ADDR="203.0.113.9"), Client(REMOTE_ADDR="198.51.100.7")
    statuses = [attempt(attacker, "lin@example.com", WRONG).status_code for _ in range(settings.AXES_FAILURE_LIMIT)]
    assert statuses[:-1] == [200] * (settings.AXES_FAILURE_LIMIT - 1)
    assert statuses[-1] == 429
    assert attempt(attacker, "Lin@Example.com", PASSWORD).status_code == 429
    assert not signed_in(attacker)
    attempt(attacker, "zhou@example.com", PASSWORD)
    assert signed_in(attacker)
    attempt(owner, "lin@example.com", PASSWORD)
    assert signed_in(owner)


def test_closed_and_machine_accounts_do_not_sign_in(client: Client) -> None:
    closed = account("gone@example.com")
    User.objects.filter(pk=closed.pk).update(is_active=False)
    account("machine@example.com", Role.MACHINE)
    for email in ("gone@example.com", "machine@example.com"):
        attempt(client, email, PASSWORD)
        assert not signed_in(client)


def test_an_applicant_opens_an_account_and_confirms_the_address(client: Client) -> None:
    with_chinese = {"Accept-Language": "zh-CN"}
    answer = client.post(
        reverse("account_signup"),
        {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD, "name": "王岚"},
        headers=with_chinese,
    )
    assert answer["Location"] == reverse("account_email_verification_sent")
    user = User.objects.get(email="new@example.com")
    assert (user.role, user.name, user.language) == (Role.PROVIDER, "王岚", "zh-hans")
    assert not signed_in(client)
    mail = OutboxMessage.objects.get()
    assert mail.recipient == "new@example.com"
    code = re.split("[ ：]", mail.subject)[-1]
    assert code in mail.body
    client.post(reverse("account_email_verification_sent"), {"code": "WRONGX"}, headers=with_chinese)
    assert not signed_in(client)
    client.post(reverse("account_email_verification_sent"), {"code": code}, headers=with_chinese)
    assert signed_in(client)


def test_nobody_signs_up_as_staff(client: Client) -> None:
    client.post(
        reverse("account_signup"),
        {"email": "x@example.com", "password1": PASSWORD, "password2": PASSWORD, "name": "X", "role": "administrator"},
    )
    assert User.objects.get(email="x@example.com").role == Role.PROVIDER


def test_signing_up_with_a_known_address_tells_only_its_owner(client: Client) -> None:
    account()
    answer = client.post(
        reverse("account_signup"),
        {"email": "lin@example.com", "password1": PASSWORD, "password2": PASSWORD, "name": "Y"},
    )
    assert answer["Location"] == reverse("account_email_verification_sent")
    assert User.objects.filter(email__iexact="lin@example.com").count() == 1
    assert reverse("account_reset_password") in OutboxMessage.objects.get().body


def test_a_lost_password_is_set_anew_by_mail_once(client: Client) -> None:
    account(language="en")
    client.post(reverse("account_reset_password"), {"email": "lin@example.com"})
    mail = OutboxMessage.objects.get()
    assert mail.subject == "Set a new password"
    link = re.search(r"http://testserver(\S+)", mail.body)
    assert link
    page = client.get(link[1], follow=True)
    new = "another long password 7"
    client.post(page.request["PATH_INFO"], {"password1": new, "password2": new})
    attempt(client, "lin@example.com", PASSWORD)
    assert not signed_in(client)
    attempt(client, "lin@example.com", new)
    assert signed_in(client)
    again = Client().get(link[1], follow=True).content.decode()
    assert "no longer works" in again or '<form method="post" action' not in again
    assert OutboxMessage.objects.filter(subject="Your password was reset").exists()


def test_an_unknown_address_is_answered_the_same(client: Client) -> None:
    account()
    known = client.post(reverse("account_reset_password"), {"email": "lin@example.com"})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@example.com"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


def test_change_of_password_keeps_the_session(client: Client) -> None:
    sign_in(client, account())
    new = "another long password 7"
    client.post(reverse("account_change_password"), {"oldpassword": WRONG, "password1": new, "password2": new})
    assert User.objects.get().check_password(PASSWORD)
    client.post(reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert User.objects.get().check_password(new)
    assert signed_in(client)


@pytest.mark.parametrize("role", sorted(STAFF))
def test_staff_without_a_second_factor_see_nothing_but_its_enrolment(client: Client, role: Role) -> None:
    sign_in(client, account(role=role), second_factor=False)
    for page in ("/", "/admin/", "/notices/"):
        assert client.get(page)["Location"].startswith(reverse("mfa_activate_totp"))
    assert client.post("/notices/read/")["Location"] == reverse("mfa_activate_totp")
    answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert client.get(reverse("account_logout")).status_code == 200


def test_enrolment_opens_the_session_and_every_later_one_asks_for_the_code(client: Client) -> None:
    account(role=Role.RATING)
    attempt(client, "lin@example.com", PASSWORD)
    page = client.get("/admin/", follow=True)
    secret = page.context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert not Authenticator.objects.exists()
    done = client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert done["Location"] == reverse("mfa_view_recovery_codes")
    assert client.get("/")["Location"] == reverse("admin:index")
    codes = client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    assert len(codes) == 10

    later = Client()
    asked = attempt(later, "lin@example.com", PASSWORD)
    assert asked["Location"].startswith(reverse("mfa_authenticate"))
    assert not signed_in(later)
    later.post(reverse("mfa_authenticate"), {"code": "12345678"})
    assert not signed_in(later)
    later.post(reverse("mfa_authenticate"), {"code": codes[0]})
    assert signed_in(later)
    assert later.get("/")["Location"] == reverse("admin:index")


def test_a_session_from_before_the_factor_must_show_it(client: Client) -> None:
    user = account(role=Role.FINANCE)
    TOTP.activate(user, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    sign_in(client, user, second_factor=False)
    answer = client.get("/admin/?a=1")
    assert answer["Location"] == f"{reverse('mfa_reauthenticate')}?next=%2Fadmin%2F%3Fa%3D1"


def test_the_demo_alone_goes_without(client: Client, settings: Settings) -> None:
    settings.DEMO = True
    sign_in(client, account(role=Role.RATING), second_factor=False)
    assert client.get("/")["Location"] == reverse("admin:index")


def test_members_may_but_need_not_use_a_second_factor(client: Client) -> None:
    sign_in(client, account())
    assert client.get("/notices/").status_code == 200
    assert client.get(reverse("mfa_index")).status_code == 200


def test_the_admins_own_sign_in_leads_to_ours(client: Client) -> None:
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    assert client.get("/admin/login/?next=/admin/")["Location"] == f"{reverse('account_login')}?next=%2Fadmin%2F"
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 405
    sign_in(client, account())
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_language_follows_the_account(client: Client) -> None:
    user = account()
    attempt(client, "lin@example.com", PASSWORD)
    assert 'lang="zh-hans"' in client.get("/notices/", HTTP_ACCEPT_LANGUAGE="en").content.decode()
    assert client.post(reverse("set-language"), {"language": "en", "next": "/notices/"})["Location"] == "/notices/"
    user.refresh_from_db()
    assert user.language == "en"
    elsewhere = sign_in(Client(), user)
    assert 'lang="en"' in elsewhere.get("/notices/", HTTP_ACCEPT_LANGUAGE="zh-CN").content.decode()


def test_a_visitors_language(client: Client) -> None:
    assert 'lang="zh-hans"' in client.get("/").content.decode()
    assert 'lang="en"' in client.get("/", HTTP_ACCEPT_LANGUAGE="en-GB,en").content.decode()
    assert 'lang="zh-hans"' in client.get("/", HTTP_ACCEPT_LANGUAGE="zh-CN,zh").content.decode()
    client.post(reverse("set-language"), {"language": "en", "next": "/"})
    assert 'lang="en"' in client.get("/", HTTP_ACCEPT_LANGUAGE="zh-CN,zh").content.decode()


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_language_switch_leads_nowhere_else(client: Client, next_page: str) -> None:
    assert client.post(reverse("set-language"), {"language": "en", "next": next_page})["Location"] == "/"
    assert client.get(reverse("set-language")).status_code == 405


def test_an_unknown_language_changes_nothing(client: Client) -> None:
    user = account()
    sign_in(client, user)
    client.post(reverse("set-language"), {"language": "tlh"})
    user.refresh_from_db()
    assert user.language == "zh-hans"
    assert "django_language" not in client.cookies


def test_notices_are_ones_own(client: Client) -> None:
    mine, theirs = account(), account("zhou@example.com")
    notice = Notice.objects.create(user=theirs, kind="provider_resumed", params={"provider": "别家（演示）"})
    sign_in(client, mine)
    assert "别家" not in client.get("/notices/").content.decode()
    assert client.post(reverse("open-notice", args=[notice.pk])).status_code == 404
    client.post("/notices/read/")
    notice.refresh_from_db()
    assert notice.read_at is None
