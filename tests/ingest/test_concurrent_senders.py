"""Two senders of one batch at once: it is applied once, and both are told the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from ecosystem.models import WorkMark
from providers.models import FACTS, Batch
from providers.steps.delivery import BatchKeyTaken
from providers.steps.ingest import ingest
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.server]
SALES = FACTS["sales", "merchant"]


def at_once(*works: Callable[[], Batch]) -> list[Batch | Exception]:
    """Run the works in threads that start together."""
    ready = Barrier(len(works))

    def run(work: Callable[[], Batch]) -> Batch | Exception:
        try:
            ready.wait(timeout=20)
            return work()
        except BatchKeyTaken as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def sender(text: str, key: str = "one") -> Callable[[], Batch]:
    return lambda: ingest("sales", io.BytesIO(text.encode()), key=key)


def test_one_batch_sent_by_four_at_once_is_applied_once():
    shop, served = factories.merchant(), factories.provider()
    factories.binding(served, shop)
    WorkMark.objects.all().delete()
    text = f"day,merchant,gmv_paid\n2022-06-01,{shop.code},100000\n"
    results = at_once(*[sender(text)] * 4)
    assert len({batch.pk for batch in results if isinstance(batch, Batch)}) == 1
    assert len([result for result in results if isinstance(result, Batch)]) == 4
    assert (Batch.objects.count(), SALES.objects.count(), WorkMark.objects.count()) == (1, 1, 1)


def test_of_two_contents_under_one_key_the_later_is_refused():
    shop = factories.merchant()
    header = "day,merchant,gmv_paid\n"
    results = at_once(
        sender(f"{header}2022-06-01,{shop.code},100000\n"), sender(f"{header}2022-06-01,{shop.code},100001\n")
    )
    assert sorted(type(result).__name__ for result in results) == ["Batch", "BatchKeyTaken"]
    applied = next(result for result in results if isinstance(result, Batch))
    assert SALES.objects.get().batch_id == applied.pk


def test_two_corrections_of_one_row_take_turns():
    shop = factories.merchant()
    header = "day,merchant,gmv_paid\n"
    ingest("sales", io.BytesIO(f"{header}2022-06-01,{shop.code},100000\n".encode()), key="zero")
    at_once(*[sender(f"{header}2022-06-01,{shop.code},{100001 + n}\n", key=f"key {n}") for n in range(4)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT batch_id) FROM fact_sales_merchant_history")
        assert cursor.fetchone() == (4, 4)
    assert SALES.objects.count() == 1
