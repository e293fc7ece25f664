"""Bells for the ledger: lost, doubled or late, they change only when work is done."""

from __future__ import annotations

from celery import shared_task

from ecosystem import ledger
from scoring.steps.nightly import nightly as do_nightly

SECONDS = 20.0


@shared_task(name="scoring.tasks.drain")
def drain(kind: str = "") -> None:
    """Work off due marks of a kind (of every kind, in the order of the flow, when none is named)."""
    for each in (kind,) if kind else ledger.kinds():
        ledger.drain(each, seconds=SECONDS)


@shared_task(name="scoring.tasks.nightly")
def nightly() -> None:
    """Do what falls due with a new business day, once per day."""
    do_nightly()
