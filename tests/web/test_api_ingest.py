"""Deliveries over REST: files, dry runs, refusals row by row, twice the same, and the way back."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from django.db import connection
from django.test import Client

from ecosystem.models import AuditEntry, User, WorkMark
from ecosystem.roles import Role
from ecosystem.steps.accounts import issue_token
from providers import api_ingest
from providers.models import Batch, Merchant
from tests import factories
from tests.web.sign_in import sign_in
from tests.web.test_api_basics import problem, with_token

pytestmark = pytest.mark.django_db

HEADER = "day,merchant,paid_orders,gmv_paid\n"


@pytest.fixture
def machine() -> User:
    return factories.user(Role.MACHINE)


@pytest.fixture
def client(machine: User) -> Client:
    return with_token(issue_token(machine.pk, label="warehouse", days=30, actor=None))


@pytest.fixture
def shop() -> Merchant:
    merchant = factories.merchant()
    factories.binding(subject=merchant)
    return merchant


def send(client: Client, content: str | bytes, query: str = "key=k1", feed: str = "sales", **more: str) -> object:
    body = content.encode() if isinstance(content, str) else content
    return client.post(f"/api/v1/ingest/{feed}/?{query}", body, content_type="text/csv", **more)


def day_of(shop: Merchant, orders: int = 3) -> str:
    return f"{HEADER}2022-06-05,{shop.code},{orders},{orders * 8000}\n"


def test_a_file_is_applied_and_its_providers_are_marked(client: Client, machine: User, shop: Merchant) -> None:
    answer = send(client, day_of(shop), "key=k1&covers=2022-06-05..2022-06-05")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    batch = Batch.objects.get(pk=body["id"])
    assert isinstance(body["id"], str)
    assert (body["status"], body["rows"], body["rows_added"], body["source"]) == ("applied", 1, 1, "api")
    assert WorkMark.objects.filter(kind="roll_up").exists()
    assert AuditEntry.objects.about(batch).get(actor=machine).verb == "ingest"
    assert client.get(f"/api/v1/batches/{batch.pk}/").json() == body
    assert [row["id"] for row in client.get("/api/v1/batches/?feed=sales&status=applied").json()["results"]] == [
        body["id"]
    ]


def test_gzip_is_read_whatever_it_is_called(client: Client, shop: Merchant) -> None:
    packed = gzip.compress(day_of(shop).encode())
    for n, kind in enumerate(("application/gzip", "application/octet-stream", "text/csv")):
        answer = client.post(f"/api/v1/ingest/sales/?key=g{n}", packed, content_type=kind)
        assert answer.status_code == 201, answer.content


def test_the_same_again_is_the_same_and_other_content_is_refused(client: Client, shop: Merchant) -> None:
    first = send(client, day_of(shop)).json()
    again = send(client, day_of(shop))
    assert (again.status_code, again.json()) == (201, first)
    assert Batch.objects.count() == 1
    problem(send(client, day_of(shop, orders=4)), 409, "batch_key_taken")
    # The same key of another source is another batch.
    assert send(client, day_of(shop), "key=k1&source=erp").status_code == 201


def test_one_bad_row_refuses_all_and_every_fault_is_named(client: Client, shop: Merchant) -> None:
    lines = f"2022-06-05,{shop.code},3,100\n2022-06-06,nobody,3,100\n2022-06-07,{shop.code},many,100\n"
    answer = send(client, HEADER + lines)
    assert answer.status_code == 422
    body = answer.json()
    assert (body["status"], body["rows_added"], body["errors"]) == ("refused", 0, 2)
    faults = client.get(f"/api/v1/batches/{body['id']}/errors/").json()["results"]
    assert [(fault["row"], fault["column"], fault["found"]) for fault in faults] == [
        (3, "merchant", "nobody"),
        (4, "paid_orders", "many"),
    ]
    assert all(fault["reason"] for fault in faults)
    download = client.get(f"/api/v1/batches/{body['id']}/errors.csv/")
    assert download["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.reader(io.StringIO(b"".join(download.streaming_content).decode("utf-8-sig"))))
    assert [row[0] for row in table[1:]] == ["3", "4"]
    assert not WorkMark.objects.filter(kind="roll_up").exists()


def test_a_dry_run_leaves_nothing(client: Client, shop: Merchant) -> None:
    url = "/api/v1/ingest/sales/check/"
    good = client.post(url, day_of(shop).encode(), content_type="text/csv").json()
    assert (good["accepted"], good["rows"], good["rows_added"], good["faults"]) == (True, 1, 1, [])
    bad = client.post(url, f"{HEADER}2022-06-05,nobody,3,1\n".encode(), content_type="text/csv").json()
    assert not bad["accepted"]
    assert "merchant" in {fault["column"] for fault in bad["faults"]}
    assert bad["errors"] == len(bad["faults"])
    assert not Batch.objects.exists()
    assert not WorkMark.objects.exists()


def test_what_the_address_asks_wrongly_is_told(client: Client, shop: Merchant) -> None:
    problem(send(client, day_of(shop), "key="), 422, "invalid")
    problem(send(client, day_of(shop), "key=k&covers=june"), 422, "invalid")
    problem(send(client, day_of(shop), "key=k&mapping=%5B"), 422, "mapping_invalid")
    assert not Batch.objects.exists()


def test_an_administrator_takes_a_batch_back_once(client: Client, shop: Merchant) -> None:
    batch = send(client, day_of(shop)).json()
    url = f"/api/v1/batches/{batch['id']}/undo/"
    problem(client.post(url), 403, "not_allowed")
    administrator = sign_in(Client(), factories.user(Role.ADMINISTRATOR))
    undone = administrator.post(url)
    assert (undone.status_code, undone.json()["status"]) == (200, "undone")
    assert administrator.post(url).status_code == 409
    assert send(client, day_of(shop), "key=k2").json()["rows_added"] == 1


def test_feeds_name_their_columns(client: Client) -> None:
    layouts = {(row["feed"], row["subject"]): row for row in client.get("/api/v1/feeds/").json()}
    columns = {column["name"]: column for column in layouts["sales", "merchant"]["columns"]}
    assert columns["day"]["required"]
    assert columns["paid_orders"]["kind"] == "integer"
    assert {"providers", "merchants", "bindings"} <= {feed for feed, _subject in layouts}


def days_of(shop: Merchant) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT day::text FROM fact_sales_merchant WHERE merchant_id = %s ORDER BY day", [shop.pk])
        return [day for (day,) in cursor.fetchall()]


def test_a_partition_is_replaced_whole_and_an_older_statement_is_refused(client: Client, shop: Merchant) -> None:
    both = f"{HEADER}2022-06-05,{shop.code},3,24000\n2022-06-06,{shop.code},4,32000\n"
    first = send(client, both, "partition=2022-06&version=1")
    assert (first.status_code, first.json()["rows_added"]) == (201, 2)
    tried = client.post(
        "/api/v1/ingest/sales/check/?partition=2022-06&version=2&replace=true",
        day_of(shop).encode(),
        content_type="text/csv",
    )
    assert (tried.status_code, tried.json()["rows_removed"]) == (200, 1)
    second = send(client, day_of(shop), "partition=2022-06&version=2&replace=true")
    assert second.status_code == 201, second.content
    body = second.json()
    assert (body["rows_removed"], body["rows_same"], body["version"], body["partition"]) == (1, 1, 2, "2022-06")
    assert days_of(shop) == ["2022-06-05"]

    older = send(client, both, "partition=2022-06&version=1&source=api")
    assert (older.status_code, older.json()["id"]) == (201, first.json()["id"]), "the same statement again is the same"
    problem(send(client, both.replace("24000", "16000"), "partition=2022-06&version=1"), 409, "batch_key_taken")
    problem(send(client, both.replace("24000", "16000"), "partition=2022-06&version=0"), 422, "invalid")
    assert days_of(shop) == ["2022-06-05"]


def test_a_body_beyond_what_one_delivery_may_be_is_refused(
    client: Client, shop: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_ingest, "LARGEST", 200)
    monkeypatch.setattr(api_ingest, "CHUNK", 64)
    problem(send(client, HEADER + f"2022-06-05,{shop.code},3,24000\n" * 20), 413, "too_large")
    assert not Batch.objects.exists()
