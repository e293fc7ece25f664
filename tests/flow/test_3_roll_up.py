"""Roll up: facts reach the provider by the binding of their day, and only what must change changes."""

from __future__ import annotations

import pytest

from scoring.models.rolled import ProviderCum
from tests import factories
from tests.flow.rolling import batch, day, days_of, fact, redo

pytestmark = pytest.mark.django_db


def test_a_fact_reaches_the_provider_bound_on_its_day() -> None:
    known = batch()
    first, second = factories.provider(), factories.provider()
    shop = factories.merchant()
    factories.binding(first, shop, starts_on=day(1), ends_before=day(3))
    factories.binding(second, shop, starts_on=day(3))
    for number in (1, 2, 3, 4):
        fact("sales", "merchant", day(number), shop.pk, batch=known, gmv_strict=number * 100)
    redo(first.pk, second.pk)
    assert days_of(first.pk, "gmv_strict") == {1: 100, 2: 200}
    assert days_of(second.pk, "gmv_strict") == {3: 300, 4: 400}
    assert days_of(first.pk, "merchant_days") == {1: 1, 2: 1}
    assert ProviderCum.objects.filter(provider_id=first.pk).count() == 4, "dense to the newest delivered day"
