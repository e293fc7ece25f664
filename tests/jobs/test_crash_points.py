"""Whatever kind of work dies at whatever point: worked off again, everything is as if nobody had died."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ecosystem import ledger, verify
from ecosystem.models import WorkMark, WorkScope
from ecosystem.roles import Role
from scoring.models import Run, Score
from scoring.models.rolled import ProviderDay
from scoring.steps import publish
from tests import factories
from tests.jobs.counting import COMMITTED, POINTS, Killed, kill_at, let_time_pass
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

SINCE = rows.AS_OF - timedelta(days=20)
KINDS = ("beside", "room_month", "roll_up", "score", "tier", "run", "stability")


def drain_to_the_end() -> None:
    """Work off everything, however long it would wait."""
    while True:
        let_time_pass()
        if not ledger.drain(*ledger.kinds(), seconds=30):
            return


def test_every_kind_is_meant() -> None:
    assert ledger.kinds() == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_death_at_any_point_leaves_no_trace(kind: str, settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF
    rows.rubric()
    rating = rows.staff(Role.RATING)
    provider = factories.provider(approved_on=SINCE)
    merchant, _ = rows.trading(provider, orders=10, sessions=1, since=SINCE)
    drain_to_the_end()
    for number, point in enumerate(POINTS):
        day = SINCE + timedelta(days=number)
        rows.deliver("sales", "day,merchant,paid_orders", [f"{day},{merchant.code},{500 + number}"])
        ledger.mark("beside", [(f"merchant:{merchant.pk}", day)], cause="test")
        ledger.mark("room_month", [(f"{day:%Y-%m}", None)], cause="test")
        if kind == "run":
            drain_to_the_end()
            publish.freeze_run(publish.open_run(rows.AS_OF, actor=rating).pk, actor=rating)
        for earlier in KINDS[: KINDS.index(kind)]:
            let_time_pass()
            ledger.drain(earlier, seconds=30)
        let_time_pass()
        marks = WorkMark.objects.filter(kind=kind).count()
        assert marks
        with pytest.raises(Killed):
            ledger.drain(kind, seconds=30, checkpoint=kill_at(point))
        left = WorkMark.objects.filter(kind=kind).count()
        assert left == (0 if point == COMMITTED else marks), point
        drain_to_the_end()
        assert not WorkMark.objects.exists()
        assert set(WorkScope.objects.values_list("state", "attempts")) == {("ok", 0)}
        assert ProviderDay.objects.get(provider_id=provider.pk, day=day).paid_orders == 500 + number
        assert Score.objects.filter(run__kind="provisional").count() == 1
    for name in ("totals", "scores", "facts"):
        assert verify.run(verify.checks()[name], verify.Extent(everything=True)).differences in ((), [])
    official = Run.objects.official()
    assert official.count() == official.filter(status="computed").count() == (len(POINTS) if kind == "run" else 0)
