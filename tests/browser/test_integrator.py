"""Whoever delivers facts: from the documentation and a token to the first batch, and a bad one with its row errors."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from ecosystem.roles import Role
from providers.models import FACTS, Batch
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from tests.browser.conftest import Arrive

pytestmark = pytest.mark.django_db(transaction=True)
DAY = rows.AS_OF - timedelta(days=1)


def test_documentation_to_first_batch(arrive: Arrive, language: str, portal: str) -> None:
    merchant = factories.merchant()
    reader = arrive("reader")
    reader.open("/api/v1/docs/")
    reader.page.get_by_text("/api/v1/ingest/{feed}/", exact=True).first.wait_for()
    reader.look("documentation", foreign="#swagger-ui")

    machine = factories.user(Role.MACHINE, email="warehouse@example.com")
    admin = arrive("administrator").be(factories.user(Role.ADMINISTRATOR, language=language))
    admin.open(f"/admin/ecosystem/user/{machine.pk}/change/")
    admin.look("machine")
    admin.follow("a[href$='/step/token/']")
    admin.fill(label="数据仓库（演示）", days="90")
    admin.send()
    admin.look("token")
    token = admin.page.get_by_text("portal_").first.inner_text().strip()

    header = "day,merchant,paid_orders,gmv_paid"
    status, first = deliver(portal, token, "first", f"{header}\n{DAY},{merchant.code},12,108000\n")
    assert (status, first["status"], first["rows_added"]) == (201, "applied", 1)
    assert FACTS["sales", "merchant"].objects.get(merchant_id=merchant.pk).gmv_paid == 108000
    status, again = deliver(portal, token, "first", f"{header}\n{DAY},{merchant.code},12,108000\n")
    assert again["id"] == first["id"]
    bad = f"{header}\n{DAY},nobody,12,108000\n{DAY},{merchant.code},many,108000\n"
    status, second = deliver(portal, token, "second", bad)
    assert (status, second["status"], second["errors"]) == (422, "refused", 2)

    admin.open("/admin/providers/batch/")
    admin.look("batches")
    assert Batch.objects.count() == 2
    admin.follow(f"a[href*='/providers/batch/{first['id']}/change/']")
    admin.look("first-batch")
    admin.open(f"/admin/providers/batch/{second['id']}/change/")
    admin.look("refused-batch")
    with admin.page.expect_download() as download:
        admin.page.locator("a[href$='errors.csv']").first.click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        faults = list(csv.reader(file))
    assert [(fault[0], fault[1], fault[2]) for fault in faults[1:]] == [
        ("2", "merchant", "nobody"),
        ("3", "paid_orders", "many"),
    ]
    assert all(fault[3] for fault in faults[1:])


def deliver(portal: str, token: str, key: str, text: str) -> tuple[int, dict[str, object]]:
    """Send a file as a program does: an HTTP request with a token."""
    address = f"{portal}/api/v1/ingest/sales/?{urlencode({'key': key})}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    try:
        with urlopen(Request(address, data=text.encode(), headers=headers)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)
