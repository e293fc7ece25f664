"""Bells for the ledger: lost, doubled or late, they change only when work is done."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from ecosystem import ledger
from scoring.steps import score, tier
from scoring.steps.nightly import nightly as do_nightly
from scoring.steps.roll_up import roll_up

SECONDS = 20.0
# Everybody is scored at once, so scores wait until no roll-up is due, but never longer than this.
DEBOUNCE = timedelta(seconds=2)


def register_work() -> None:
    """Name what works off each kind of mark, in the order of the flow."""
    ledger.register("roll_up", roll_up, batch_size=32)
    ledger.register("score", score.handle, debounce=DEBOUNCE, after="roll_up")
    ledger.register("tier", tier.handle, debounce=DEBOUNCE, after="score")
    ledger.register("run", score.handle_run)


@shared_task(name="scoring.tasks.drain")
def drain(kind: str = "") -> None:
    """Work off due marks of a kind (of every kind, in the order of the flow, when none is named)."""
    for each in (kind,) if kind else ledger.kinds():
        ledger.drain(each, seconds=SECONDS)


@shared_task(name="scoring.tasks.nightly")
def nightly() -> None:
    """Do what falls due with a new business day, once per day."""
    do_nightly()
