"""Bindings at work: two shares, a transfer in its cool-down, and two conflicts, one open and one decided."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from providers.choices import BindingRole
from providers.models import FACTS, Binding, Membership
from providers.models.members import MemberRole
from providers.steps import bind, conflict, split
from providers.steps.change_binding import subject_of
from scoring.demo.clock import at
from scoring.demo.sizes import AS_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecosystem.models import User
    from providers.models import Conflict

SPLIT_ON = AS_OF - timedelta(days=20)
CLAIMED = (AS_OF - timedelta(days=60), AS_OF - timedelta(days=55))


def bindings_at_work(users: Mapping[str, User]) -> None:
    """Split, transfer and contest bindings of the two providers that demo accounts own."""
    owner, other = users["owner"], users["other"]
    ours, theirs = _running(owner), _running(other)
    with at(SPLIT_ON, 10):
        share = split.propose_share(
            ours[0].pk, provider_id=theirs[0].provider_id, share_bp=3000, starts_on=SPLIT_ON, actor=owner
        )
    with at(SPLIT_ON, 15):
        split.accept_share(share.pk, actor=other)
    with at(AS_OF - timedelta(days=14), 9):
        days = {"starts_on": CLAIMED[0], "ends_before": CLAIMED[1]}
        decided = _claim(ours[2], other, "五月初的专场由我方承接，附三方确认函（演示）。", **days)
    with at(AS_OF - timedelta(days=12), 9):
        text = "该店铺全年由我方代运营，专场另有约定（演示）。"
        conflict.add_evidence(decided.pk, provider_id=ours[2].provider_id, text=text, actor=owner)
    with at(AS_OF - timedelta(days=6), 9):
        reason = "确认函载明专场五日由申请方承接，其余日期不变（演示）。"
        conflict.decide_conflict(decided.pk, outcome="moved", reason=reason, actor=users["governance"])
    with at(AS_OF - timedelta(days=5), 11):
        bind.propose(
            theirs[0].provider_id,
            subject=subject_of(ours[1]),
            role=BindingRole(ours[1].role),
            starts_on=AS_OF + timedelta(days=30),
            takes_over=True,
            actor=other,
        )
    with at(AS_OF - timedelta(days=2), 11):
        _claim(theirs[1], owner, "合同自上月起由我方执行，附续约合同（演示）。", starts_on=AS_OF - timedelta(days=40))
    with at(AS_OF - timedelta(days=1), 16):
        split.propose_share(theirs[0].pk, provider_id=ours[0].provider_id, share_bp=2500, starts_on=AS_OF, actor=other)


def _running(owner: User) -> list[Binding]:
    """Return three bindings of an owner's provider that run on since before all that happens here."""
    of = Membership.objects.get(user=owner, role=MemberRole.OWNER).provider
    running = of.bindings.confirmed().leads().filter(period__endswith=None, period__startswith__lt=CLAIMED[0])
    sales: Any = FACTS["sales", "merchant"]  # its columns are generated
    sold = set(sales.objects.filter(day__gte=SPLIT_ON).values_list("merchant_id", flat=True))
    found = running.exclude(role=BindingRole.ADS).select_related("merchant", "streamer")
    # First who sold since, so that there is something to divide.
    return sorted(found, key=lambda one: (one.merchant_id not in sold, -one.pk))[:3]


def _claim(contested: Binding, claimant: User, text: str, **days: object) -> Conflict:
    return conflict.open_conflict(
        Membership.objects.get(user=claimant, role=MemberRole.OWNER).provider_id,
        subject=subject_of(contested),
        role=BindingRole(contested.role),
        text=text,
        actor=claimant,
        **days,  # type: ignore[arg-type]
    )
