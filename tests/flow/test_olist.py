"""Real input: marketplace orders, through the ordinary commands, equal independent figures to the cent."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from ecosystem import ledger
from providers.models import Batch, Provider

ROOT = Path(__file__).parents[2]
OLIST = ROOT.parent / "shared" / "data" / "olist"
MAPPINGS = ROOT / "providers" / "mappings" / "olist"
LOADS = (
    ("providers", "providers.csv", "sales_reps"),
    ("providers", "providers.csv", "postal_areas"),
    ("merchants", "merchants.csv", "merchants"),
    ("bindings", "bindings.csv", "sales_rep_bindings"),
    ("bindings", "bindings.csv", "postal_area_bindings"),
    ("sales", "merchant_day.csv.gz", "sales"),
    ("service", "merchant_day.csv.gz", "service"),
)
KINDS = {"sales_rep": ("operation", 22), "postal_area": ("belt", 85)}
TOTALS = {
    "placed_cents": "gmv_placed",
    "paid_cents": "gmv_paid",
    "settled_cents": "gmv_settled",
    "orders": "placed_orders",
    "cancelled_orders": "cancelled_orders",
    "delivered_orders": "delivered_orders",
    "late_orders": "late_orders",
}
NOTHING = dict.fromkeys(TOTALS, 0)

pytestmark = [pytest.mark.django_db, pytest.mark.server]


def running_totals(day: date) -> dict[str, dict[str, int]]:
    """Return every provider's running totals at the end of a day."""
    columns = ", ".join(f"cum.{name}" for name in TOTALS.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT ON (p.code) p.code, {columns} FROM provider_cum cum"
            " JOIN providers_provider p ON p.id = cum.provider_id WHERE cum.day <= %s ORDER BY p.code, cum.day DESC",
            [day],
        )
        return {code: dict(zip(TOTALS, values, strict=True)) for code, *values in cursor.fetchall()}


def rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def expected(codes: set[str], period: str) -> dict[str, dict[str, Any]]:
    """Return the independent figures of a period; a provider with nothing in it has no entry there."""
    providers = json.loads((OLIST / "summary.json").read_text())["main"]["providers"]
    return {code: providers.get(code, {}).get(period, {}) for code in sorted(codes)}


def compare(codes: set[str], period: str, first: date, last: date) -> tuple[int, list[tuple[object, ...]]]:
    """Hold our figures of a period against the independent ones: how many, and those that differ."""
    before, until = running_totals(first - timedelta(days=1)), running_totals(last)
    compared = 0
    different: list[tuple[object, ...]] = []
    for code, theirs in expected(codes, period).items():
        ours = {name: until.get(code, NOTHING)[name] - before.get(code, NOTHING)[name] for name in TOTALS}
        pairs: list[tuple[str, object, object]] = [(name, ours[name], theirs.get(name, 0)) for name in TOTALS]
        pairs += [
            ("cancel_rate", rate(ours["cancelled_orders"], ours["orders"]), theirs.get("cancel_rate")),
            ("late_rate", rate(ours["late_orders"], ours["delivered_orders"]), theirs.get("late_rate")),
        ]
        compared += len(pairs)
        different += [(code, period, *pair) for pair in pairs if pair[1] != pair[2]]
    return compared, different


@pytest.mark.skipif(not OLIST.is_dir(), reason="the marketplace orders are not there (../shared/data/olist)")
def test_real_orders_give_the_independent_figures(capsys: pytest.CaptureFixture[str]):
    for feed, file, mapping in LOADS:
        call_command("ingest", feed, str(OLIST / file), map=MAPPINGS / f"{mapping}.yaml", batch=f"{file} {mapping}")
    assert set(Batch.objects.values_list("status", flat=True)) == {"applied"}
    while ledger.drain("roll_up", seconds=60):
        pass

    periods = json.loads((OLIST / "summary.json").read_text())["main"]["meta"]["periods"]
    assert set(periods) == {"last_365_days", "2016", "2017", "2018"}
    for kind, (role, count) in KINDS.items():
        codes = set(Provider.objects.filter(bindings__role=role).values_list("code", flat=True))
        assert len(codes) == count
        compared = 0
        different: list[tuple[object, ...]] = []
        for period, (first, last) in periods.items():
            figures, wrong = compare(codes, period, date.fromisoformat(first), date.fromisoformat(last))
            compared, different = compared + figures, different + wrong
        with capsys.disabled():
            said = f"{compared} figures compared, {len(different)} different"
            sys.stdout.write(f"\n{kind} as {role}: {count} providers, {said}\n")
        assert different == []
        assert compared == count * len(periods) * (len(TOTALS) + 2)
        placed = sum(figures.get("placed_cents", 0) for figures in expected(codes, "all").values())
        totals = running_totals(date(2018, 9, 3))
        assert placed == sum(totals.get(code, NOTHING)["placed_cents"] for code in codes) > 0
