"""Each constraint of the ground's tables refuses the row that breaks it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from ecosystem.models import ApiToken, AuditEntry, OutboxMessage, User, WorkRun, WorkScope
from ecosystem.models.audit import Verb
from tests import factories
from tests.models.breaking import Cases, assert_breaks

pytestmark = [pytest.mark.server, pytest.mark.django_db]
CASES = Cases()


def one(model: type[User | AuditEntry]) -> AuditEntry | User:
    user = factories.user()
    return user if model is User else AuditEntry.objects.record(Verb.ACCOUNT, "open_account", user)


def token() -> ApiToken:
    return ApiToken.objects.create(
        user=factories.user(),
        label="demo",
        digest=factories.sha256(f"{factories.number()}"),
        expires_at=timezone.now() + timedelta(days=1),
    )


def change(row: ApiToken | User | OutboxMessage | WorkScope | WorkRun, **values: object) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**values)


@CASES.breaks("user_role_known")
def _() -> None:
    change(factories.user(), role="emperor")


@CASES.breaks("user_language_known")
def _() -> None:
    change(factories.user(), language="tlh")


@CASES.breaks("user_email_once_whatever_case")
def _() -> None:
    factories.user(email="somebody@example.com")
    change(factories.user(), email="SomeBody@example.com")


@CASES.breaks("apitoken_digest_is_sha256")
def _() -> None:
    change(token(), digest="the token itself")


@CASES.breaks("apitoken_lives_after_creation")
def _() -> None:
    change(token(), expires_at=F("created_at"))


@CASES.breaks("auditentry_verb_known")
def _() -> None:
    AuditEntry.objects.create(verb="forget", action="x", subject_kind="user", subject_id=1, subject_text="x")


@CASES.breaks("audit_insert_only")
def _() -> None:
    AuditEntry.objects.filter(pk=one(AuditEntry).pk).update(action="another")


@CASES.breaks("outboxmessage_channel_known")
def _() -> None:
    OutboxMessage.objects.create(key="k", channel="pigeon", recipient="x@example.com", subject="x", body="x")


@CASES.breaks("workscope_once")
def _() -> None:
    WorkScope.objects.create(kind="score", scope="current")
    WorkScope.objects.create(kind="score", scope="current")


@CASES.breaks("workscope_state_known")
def _() -> None:
    WorkScope.objects.create(kind="score", scope="current", state="lost")


@CASES.breaks("workrun_ends_after_start")
def _() -> None:
    now = timezone.now()
    WorkRun.objects.create(kind="score", scopes=1, marks=1, started_at=now, ended_at=now - timedelta(seconds=1))


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_database_refuses(name: str) -> None:
    assert_breaks(name, CASES[name])


def test_an_audit_entry_cannot_be_deleted_either() -> None:
    entry = one(AuditEntry)
    assert_breaks("audit_insert_only", AuditEntry.objects.filter(pk=entry.pk).delete)
