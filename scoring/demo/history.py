"""What lies behind the present: rubric versions, published runs, documents, members, contests."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.db.models import F

from ecosystem import ledger
from ecosystem.clock import SHANGHAI
from ecosystem.models import Notice
from providers.demo_members import attach_demo_members
from providers.models import Provider, Qualification
from scoring.demo.clock import at
from scoring.demo.population import generator
from scoring.demo.sizes import AS_OF
from scoring.demo.stories import by_story
from scoring.models import Score
from scoring.steps import contest, publish
from scoring.steps import rubrics as rubric_steps
from scoring.steps.score import score_population
from scoring.steps.tier import tier_plans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ecosystem.models import User
    from scoring.demo.sizes import Size
    from scoring.demo.world import World
    from scoring.models import RubricVersion

NEW_RUBRIC = Path(rubric_steps.__file__).parent.parent / "rubrics" / "demo-1.0.yaml"
NEW_FROM = date(2022, 6, 1)
# The earlier version asked a little less of sessions, pickup and sell-through.
_BEFORE = (
    ("version: demo-1.0", "version: demo-0.9"),
    ("[['4', '0'], ['15', '60'], ['26', '100']]", "[['4', '0'], ['14', '60'], ['25', '100']]"),
    ("[['0.85', '0'], ['0.95', '60'], ['0.99', '100']]", "[['0.85', '0'], ['0.945', '60'], ['0.99', '100']]"),
    ("[['0.1', '0'], ['0.35', '60'], ['0.65', '100']]", "[['0.1', '0'], ['0.33', '60'], ['0.65', '100']]"),
)


def rubrics(rating: User) -> tuple[RubricVersion, RubricVersion]:
    """Publish the version before and the present one, each on its day."""
    text = NEW_RUBRIC.read_text(encoding="utf-8")
    earlier = text
    for new, old in _BEFORE:
        if new not in earlier:
            raise ValueError(f"the default rubric no longer says {new!r}")
        earlier = earlier.replace(new, old)
    with at(date(2021, 4, 12), 15):
        old_version = rubric_steps.import_rubric(earlier, actor=rating)
    with at(date(2021, 4, 20), 10):
        rubric_steps.validate_rubric(old_version.pk, actor=rating)
        old_version = rubric_steps.publish_rubric(old_version.pk, actor=rating)
    with at(date(2022, 5, 16), 15):
        new_version = rubric_steps.import_rubric(text, actor=rating)
    with at(date(2022, 5, 30), 10):
        rubric_steps.validate_rubric(new_version.pk, actor=rating)
        new_version = rubric_steps.publish_rubric(new_version.pk, actor=rating)
    return old_version, new_version


def run_days(size: Size) -> list[date]:
    """Return the as-of days of the official runs, oldest first."""
    days = [date(AS_OF.year, AS_OF.month, 1)]
    while len(days) < size.official_runs:
        days.append((days[-1] - timedelta(days=1)).replace(day=1))
    return days[::-1]


def official_runs(
    world: World,
    users: Mapping[str, User],
    old: RubricVersion,
    new: RubricVersion,
    report: Callable[[str, int, int], None],
) -> None:
    """Open, freeze, compute and review each month's run on the sixteenth; a second person publishes it."""
    rating = users["rating"]
    days = run_days(world.size)
    for number, as_of in enumerate(days):
        report("official runs", number, len(days))
        version = new if as_of >= NEW_FROM else old
        signed = as_of.replace(day=16)
        with at(signed, 9):
            run = publish.open_run(as_of, actor=rating, rubric_version_id=version.pk)
            publish.freeze_run(run.pk, actor=rating)
        with at(signed, 9, 20):
            ledger.drain("run", seconds=600)
        with at(signed, 14):
            publish.review_run(run.pk, note="已核对覆盖率、异常值与升降级名单（演示）。", actor=rating)
        with at(signed, 15):
            publish.publish_run(run.pk, actor=users["publisher"])


def documents(world: World, reviewer: User) -> None:
    """Take over the accepted documents of working providers; some expire within a month, some have."""
    rng = generator(15, len(world.size.name))
    by_code = dict(Provider.objects.values_list("code", "pk"))
    rows = []
    for one in world.providers:
        if one.left is not None:
            continue
        decided = datetime.combine(one.joined, time(14), SHANGHAI)
        for kind in (Qualification.Kind.BUSINESS_LICENCE, Qualification.Kind.TAXPAYER, Qualification.Kind.TEAM):
            soon = rng.random() < 0.05
            until = AS_OF + timedelta(days=int(rng.integers(-3, 30) if soon else rng.integers(60, 1500)))
            rows.append(
                Qualification(
                    provider_id=by_code[one.code],
                    kind=kind,
                    number=f"DEMO-{one.code}-{kind[:4].upper()}",
                    issuer="演示登记机关",
                    valid_from=one.joined - timedelta(days=int(rng.integers(30, 700))),
                    valid_until=None if kind == Qualification.Kind.TAXPAYER else until,
                    status=Qualification.Status.ACCEPTED,
                    decided_by=reviewer,
                    decided_at=decided,
                    created_at=decided,
                )
            )
    Qualification.objects.bulk_create(rows, batch_size=2000)


def members(world: World) -> None:
    """Let the demo's provider accounts act for the two providers whose stories they tell."""
    owner, other = by_story(world.providers, "owner")[0], by_story(world.providers, "other_owner")[0]
    attach_demo_members(
        Provider.objects.get(code=owner.code).pk, other_provider_id=Provider.objects.get(code=other.code).pk
    )


def current(world: World, users: Mapping[str, User]) -> None:
    """Compute the provisional run and standings of the as-of day, and leave some contests."""
    report_days = (AS_OF - timedelta(days=7), AS_OF - timedelta(days=1))
    for day in report_days:
        with at(day, 8):
            score_population(day, cause="历史回补（演示）")
            tier_plans(day)
    with at(AS_OF, 8):
        ledger.drain("score", "tier", seconds=600)
    _contests(world, users)
    # Nobody comes back to a year of unread notices.
    long_ago = datetime.combine(AS_OF, time(), SHANGHAI) - timedelta(days=10)
    Notice.objects.filter(read_at=None, created_at__lt=long_ago).update(read_at=F("created_at") + timedelta(hours=5))


def _contests(world: World, users: Mapping[str, User]) -> None:
    """Contest the last published score: one answered and upheld, one dismissed, one waiting."""
    owner = by_story(world.providers, "owner")[0]
    other = by_story(world.providers, "other_owner")[0]
    last = run_days(world.size)[-1]
    mine = Score.objects.get(run__as_of=last, run__kind="official", provider__code=owner.code)
    theirs = Score.objects.get(run__as_of=last, run__kind="official", provider__code=other.code)
    with at(date(2022, 6, 17), 11):
        first = contest.file_contest(
            mine.pk, node="SF1", text="4 月上海仓停运期间的揽收应剔除，附物流公告（演示）。", actor=users["owner"]
        )
        second = contest.file_contest(
            theirs.pk, node="LO5", text="6 月 3 日的违规场次已申诉成立，请复核（演示）。", actor=users["other"]
        )
    with at(date(2022, 6, 22), 16):
        contest.answer_contest(
            second.pk, upheld=False, answer="申诉仍在处理，结案后按会话日重述（演示）。", actor=users["rating"]
        )
        contest.answer_contest(
            first.pk, upheld=True, answer="不可抗力地区已从分子分母同时剔除，下期生效（演示）。", actor=users["rating"]
        )
    with at(date(2022, 6, 28), 10):
        contest.file_contest(
            mine.pk,
            node="SI1",
            text="新签主播数不足 10 人，低样本收缩后得分偏低，请说明口径（演示）。",
            actor=users["owner"],
        )
