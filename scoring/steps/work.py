"""Which step works off which kind of mark."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from ecosystem import ledger
from providers.models import Provider
from providers.steps.beside import KIND as BESIDE
from providers.steps.beside import beside
from providers.steps.reach import ROOM_MONTH
from scoring.models import Run
from scoring.steps import score, stability, tier
from scoring.steps.roll_up import roll_up
from scoring.steps.room_months import room_months

# Everybody is scored at once, so scores wait until no roll-up is due, but never longer than this.
DEBOUNCE = timedelta(seconds=1)
CALM = timedelta(minutes=1)  # stability waits as long for scores to come to rest


def register_work() -> None:
    """Name what works off each kind of mark, in the order of the flow."""
    ledger.register(BESIDE, beside, batch_size=2000, label=_("Who stands beside a changed binding"))
    ledger.register(ROOM_MONTH, room_months, batch_size=1, label=_("A month of every live room"))
    ledger.register("roll_up", roll_up, batch_size=16, label=_("Daily totals of a provider"), about=_providers)
    ledger.register("score", score.handle, debounce=DEBOUNCE, after="roll_up", label=_("Everybody's score of today"))
    ledger.register("tier", tier.handle, debounce=DEBOUNCE, after="score", label=_("Standings of every plan"))
    ledger.register("run", score.handle_run, label=_("An official run"), about=_runs)
    ledger.register(
        stability.KIND, stability.handle, debounce=CALM, after="score", label=_("How firmly grades and ranks stand")
    )


def _providers(scopes: Sequence[str]) -> dict[str, str]:
    """Name the providers of roll-ups."""
    return {str(found.pk): f"{found.code} {found}" for found in Provider.objects.filter(pk__in=_numbers(scopes))}


def _runs(scopes: Sequence[str]) -> dict[str, str]:
    """Name official runs."""
    return {str(found.pk): str(found) for found in Run.objects.filter(pk__in=_numbers(scopes))}


def _numbers(scopes: Sequence[str]) -> list[int]:
    return [int(scope) for scope in scopes if scope.isdecimal()]
