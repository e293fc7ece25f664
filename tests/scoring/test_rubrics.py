"""Rubric versions: checked with every fault named, published once, never changed."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone, translation

from ecosystem.errors import NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, WorkMark
from ecosystem.roles import Role
from scoring.core import reader
from scoring.errors import NothingToScore, RubricFrozen, RubricInvalid
from scoring.models import RubricVersion
from scoring.steps import rubrics
from tests.scoring import rows

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def test_the_default_is_published_once() -> None:
    with pytest.raises(NothingToScore):
        rubrics.newest_rubric()
    version = rubrics.ensure_default_rubric()
    assert (version.rubric, version.version, version.status) == ("five-capability", "demo-1.0", "published")
    assert rubrics.ensure_default_rubric() == version
    assert RubricVersion.objects.count() == 1
    assert [item.code for item in version.as_core().capabilities] == [
        "LIVE_OPS",
        "INCUBATION",
        "FULFILMENT",
        "SUPPLY",
        "TRAFFIC",
    ]
    assert len(version.as_core().leaves()) == 25
    assert WorkMark.objects.filter(kind="score", scope="current").exists()


def test_a_draft_is_replaced_and_a_published_version_is_not() -> None:
    rating = rows.staff(Role.RATING)
    first = rubrics.import_rubric(rows.SMALL_RUBRIC.format(version="1", live=1), actor=rating)
    again = rubrics.import_rubric(rows.SMALL_RUBRIC.format(version="1", live=3), actor=rating)
    assert first.pk == again.pk
    assert first.digest != again.digest
    with pytest.raises(WrongStatus, match="validated"), translation.override("en"):
        rubrics.publish_rubric(again.pk, actor=rating)
    rubrics.validate_rubric(again.pk, actor=rating)
    rubrics.publish_rubric(again.pk, actor=rating)
    assert rubrics.import_rubric(rows.SMALL_RUBRIC.format(version="1", live=3), actor=rating).pk == again.pk
    with pytest.raises(RubricFrozen):
        rubrics.import_rubric(rows.SMALL_RUBRIC.format(version="1", live=1), actor=rating)
    with pytest.raises(WrongStatus):
        rubrics.publish_rubric(again.pk, actor=rating)
    with pytest.raises(DatabaseError, match="immutable"), transaction.atomic():
        RubricVersion.objects.filter(pk=again.pk).update(body="")
    with pytest.raises(DatabaseError, match="immutable"), transaction.atomic():
        RubricVersion.objects.filter(pk=again.pk).update(published_at=timezone.now())
    with pytest.raises(DatabaseError, match="immutable"), transaction.atomic():
        RubricVersion.objects.filter(pk=again.pk).delete()
    assert [entry.action for entry in AuditEntry.objects.about(again).order_by("pk")] == [
        "import_rubric",
        "import_rubric",
        "validate_rubric",
        "publish_rubric",
    ]


def test_a_version_retires_once_its_successor_is_published() -> None:
    rating = rows.staff(Role.RATING)
    first = rows.rubric("1")
    with pytest.raises(WrongStatus):
        rubrics.retire_rubric(first.pk, actor=rating)
    second = rows.rubric("2", live=2)
    assert rubrics.retire_rubric(first.pk, actor=rating).status == "retired"
    assert rubrics.newest_rubric() == second
    with pytest.raises(DatabaseError, match="immutable"), transaction.atomic():
        RubricVersion.objects.filter(pk=first.pk).update(status="published")


def test_every_fault_is_named_with_its_line() -> None:
    broken = rows.SMALL_RUBRIC.format(version="1", live=1).replace("valid_sessions", "valid_sesions")
    broken = broken.replace("code: SALES", "code: LIVE")
    with pytest.raises(RubricInvalid) as refusal:
        rubrics.import_rubric(broken, actor=rows.staff(Role.RATING))
    faults = refusal.value.detail["faults"]
    assert isinstance(faults, list)
    assert len(faults) == 2
    assert all(fault["line"] for fault in faults)
    assert "valid_sessions" in str(refusal.value)
    assert not RubricVersion.objects.exists()


@pytest.mark.parametrize(
    ("found", "wrong", "reason"),
    [
        ("value: paid_orders", "value: largest(paid_orders, streamer)", "not kept per person"),
        ("value: paid_orders", "value: partner_income", "partner_income"),  # known to the catalogue, not computed here
        ("published_decimals: 1", "published_decimals: 5", "at most 4"),
        ("[C, 0]]", "[C, 10]]", "from 0"),
    ],
)
def test_what_the_portal_cannot_hold_is_refused(found: str, wrong: str, reason: str) -> None:
    text = rows.SMALL_RUBRIC.format(version="1", live=1).replace(found, wrong)
    with translation.override("en"), pytest.raises(RubricInvalid, match=reason):
        rubrics.import_rubric(text, actor=rows.staff(Role.RATING))


def test_only_rating_staff_writes_rubrics() -> None:
    with pytest.raises(NotAllowed):
        rubrics.import_rubric(rows.SMALL_RUBRIC.format(version="1", live=1), actor=rows.staff(Role.INCENTIVES))
    draft = rows.rubric(published=False)
    with pytest.raises(NotAllowed):
        rubrics.publish_rubric(draft.pk, actor=rows.staff(Role.ADMINISTRATOR))


def test_an_export_loads_to_the_same_rubric() -> None:
    version = rubrics.ensure_default_rubric()
    text = rubrics.export_rubric(version.pk)
    assert reader.load(text).digest == version.digest
