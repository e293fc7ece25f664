"""The small demo, loaded through the steps: every page has something to show, and it hangs together."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import models
from django.db.models import Sum

from ecosystem import verify
from ecosystem.models import AuditEntry, Notice, User, WorkMark
from ecosystem.steps.deliver import deliver
from providers.feeds import feeds
from providers.models import (
    Base,
    Batch,
    Belt,
    Binding,
    Merchant,
    OperatedSession,
    OperatorCertificate,
    Provider,
    Qualification,
    RegisterVersion,
    RowError,
    Streamer,
    Violation,
)
from scoring.demo.sizes import AS_OF, SIZES
from scoring.models import BudgetPool, Contest, Grant, Progress, Publication, RubricVersion, Run, Score, Standing


@pytest.mark.django_db
def test_the_small_demo_loads(settings: object) -> None:
    settings.DEMO = True  # type: ignore[attr-defined]
    settings.BUSINESS_TODAY = AS_OF  # type: ignore[attr-defined]
    call_command("demo", size="small", verbosity=0)

    size = SIZES["small"]
    for model in (Base, Merchant, Streamer, Binding, OperatedSession, OperatorCertificate, Qualification, Violation):
        assert model.objects.exists(), model
    assert Belt.objects.count() == 78
    _providers_in_every_state(size.active)
    _batches()
    _scores(size.official_runs)
    _plan_and_money()
    _people()
    deliver(seconds=60)  # the workers' part: the story's mails are due since their days
    wrong = {name: verify.run(check, verify.Extent()).differences for name, check in verify.checks().items()}
    assert not any(wrong.values()), wrong
    with pytest.raises(CommandError, match="empty portal"):
        call_command("demo", size="small", verbosity=0)


def test_outside_the_demo_nothing_is_built(settings: object) -> None:
    settings.DEMO = False  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match="PORTAL_DEMO=1"):
        call_command("demo", size="small", verbosity=0)


def _providers_in_every_state(active: dict[str, int]) -> None:
    statuses = dict(Provider.objects.values_list("status").annotate(number=models.Count("pk")))
    assert set(statuses) == set(Provider.Status.values)
    assert statuses["suspended"] == 1
    assert statuses["approved"] + statuses["suspended"] >= sum(active.values())
    assert statuses["submitted"] >= 5
    waiting = Provider.objects.waiting()
    assert all(one.qualifications.filter(status="pending").exists() for one in waiting.filter(status="submitted"))
    assert Provider.objects.filter(silent_until__gt=AS_OF).count() == SIZES["small"].silent
    today = AS_OF
    soon = Qualification.objects.filter(valid_until__range=(today, today + timedelta(days=30)))
    assert soon.exists()
    assert not Provider.objects.exclude(name__endswith="（演示）").exists()


def _batches() -> None:
    refused = Batch.objects.filter(status=Batch.Status.REFUSED)
    assert set(refused.values_list("key", flat=True)) == {"sales-20220519-wan", "bindings-claim"}
    assert RowError.objects.filter(batch__in=refused).exists()
    assert set(Batch.objects.filter(status=Batch.Status.APPLIED).values_list("feed", flat=True)) == set(feeds())
    assert Batch.objects.filter(key__endswith="-late").count() == 6
    assert Batch.objects.filter(key__startswith="refunds-20220418", rows_changed__gt=0).exists()
    # Every batch bears the day it tells of.
    assert not Batch.objects.filter(received_at__date__gt=AS_OF).exists()
    assert not RegisterVersion.objects.filter(recorded_to__date__gt=AS_OF).exists()
    first_run = Run.objects.order_by("cut_off")[0].cut_off
    assert not RegisterVersion.objects.filter(known__isnull=True, recorded_to__gt=first_run).exists()


def _scores(runs: int) -> None:
    official = Run.objects.filter(kind=Run.Kind.OFFICIAL).order_by("as_of")
    assert [run.status for run in official] == [Run.Status.PUBLISHED] * runs
    assert Publication.objects.count() == runs
    assert [run.rubric_version.version for run in official][-2:] == ["demo-0.9", "demo-1.0"]
    assert RubricVersion.objects.filter(status=RubricVersion.Status.PUBLISHED).count() == 2
    current = Run.objects.get(kind=Run.Kind.PROVISIONAL, as_of=AS_OF)
    scores = Score.objects.of(current)
    rated = scores.filter(status=Score.Status.RATED)
    assert rated.count() >= 50
    grades = dict(rated.order_by().values_list("grade").annotate(number=models.Count("pk")))
    for grade, (least, most) in {"S": (0, 2), "A": (9, 12), "B": (45, 48), "C": (30, 36), "D": (7, 9)}.items():
        assert least <= 100 * grades[grade] / rated.count() <= most, grades
    capped = scores.get(provider__status=Provider.Status.SUSPENDED)
    assert (capped.grade, "gate:1" in capped.flags) == ("C", True)
    assert scores.filter(status=Score.Status.NOT_RATED).count() >= 2
    assert not WorkMark.objects.filter(kind="roll_up").exists()
    owner = User.objects.get(email="owner@demo.example").memberships.get().provider
    mine = scores.get(provider=owner)
    assert mine.grade == "B"
    assert any(flag.startswith("shrunk:") for flag in mine.flags)
    assert Score.objects.filter(provider=owner, run__kind=Run.Kind.OFFICIAL).count() >= 4


def _plan_and_money() -> None:
    standings = Standing.objects.filter(as_of=AS_OF, plan__code="ZAOFENG_2021")
    assert standings.filter(value__gte=100_000_000_000).count() == 4
    assert standings.filter(value__range=(10_000_000_000, 99_999_999_999)).count() == 13
    assert Progress.objects.filter(is_baseline=True).count() >= 12
    cash, traffic = (BudgetPool.objects.get(code=f"ZAOFENG_2021/{name}") for name in ("cash", "traffic"))
    granted = Grant.objects.filter(pool=cash).exclude(status=Grant.Status.PROPOSED).aggregate(all=Sum("amount"))["all"]
    assert granted == 6_100_000_000
    assert cash.cap == 10_000_000_000
    assert Grant.objects.filter(pool=traffic, status=Grant.Status.EXPIRED).exists()
    assert Grant.objects.filter(status=Grant.Status.PROPOSED).count() == 3
    assert not Grant.objects.filter(granted_on__gt=AS_OF).exists()


def _people() -> None:
    assert Contest.objects.filter(status=Contest.Status.OPEN).count() == 1
    assert Contest.objects.exclude(status=Contest.Status.OPEN).count() == 2
    owner = User.objects.get(email="owner@demo.example")
    assert Notice.objects.filter(user=owner).exists()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"register", "ingest", "fund", "publish", "tier"} <= verbs
