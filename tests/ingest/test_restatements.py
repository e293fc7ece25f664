"""Restatements, versions, formats, the watched folder, and what was known at any moment."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from django.db import connection

from ecosystem.models import WorkMark
from providers.models import FACTS, HISTORY, Batch, DeliveredDay
from providers.readers import source
from providers.steps import apply_facts, meeting
from providers.steps.delivery import NewerVersion
from providers.steps.inbox import inbox, take_in
from providers.steps.ingest import check, ingest
from providers.steps.undo_batch import LaterBatchStands, undo_batch
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.server]
SALES = FACTS["sales", "merchant"]
HEADER = "day,merchant,gmv_paid\n"
DAY = "2022-05-01"


def send(text: str | bytes, *, key: str, **kwargs) -> Batch:
    content = text.encode() if isinstance(text, str) else text
    return ingest("sales", io.BytesIO(content), key=key, **kwargs)


def standing() -> dict[tuple[str, int], int]:
    return {(str(row.day), row.merchant_id): row.gmv_paid for row in SALES.objects.all()}


def counts(batch: Batch) -> tuple[int, int, int, int]:
    return batch.rows_added, batch.rows_changed, batch.rows_same, batch.rows_removed


def test_a_restatement_is_the_whole_of_its_days_and_of_its_source_only():
    kept, left_out, changed, new, other = (factories.merchant() for _ in range(5))
    served = factories.provider()
    factories.binding(served, left_out, starts_on=date(2022, 1, 1))
    rows = f"{DAY},{kept.code},1000\n{DAY},{left_out.code},2000\n{DAY},{changed.code},3000\n"
    first = send(f"{HEADER}{rows}2022-05-02,{left_out.code},500\n", key="one", source="north")
    send(f"{HEADER}{DAY},{other.code},9000\n", key="one", source="south")
    WorkMark.objects.all().delete()

    text = f"{HEADER}{DAY},{kept.code},1000\n{DAY},{changed.code},3001\n{DAY},{new.code},7\n"
    said = check("sales", io.BytesIO(text.encode()), source="north", replace=True)
    assert (said.rows_added, said.rows_changed, said.rows_same, said.rows_removed) == (1, 1, 1, 1)
    assert len(standing()) == 5
    batch = send(text, key="two", source="north", replace=True)

    assert counts(batch) == (1, 1, 1, 1)
    assert (batch.days_changed, batch.providers_touched, batch.replaces) == (1, 1, True)
    assert standing() == {
        (DAY, kept.pk): 1000,
        (DAY, changed.pk): 3001,
        (DAY, new.pk): 7,
        (DAY, other.pk): 9000,
        ("2022-05-02", left_out.pk): 500,
    }
    gone = HISTORY["sales", "merchant"].objects.get(merchant_id=left_out.pk)
    assert (gone.gmv_paid, gone.batch_id, gone.superseded_by) == (2000, first.pk, batch.pk)
    delivered = DeliveredDay.objects.get(day=DAY)
    assert (delivered.rows, delivered.totals) == (4, {"gmv_paid": 1000 + 3001 + 7 + 9000})
    assert set(WorkMark.objects.filter(kind="roll_up").values_list("scope", "from_day")) == {
        (str(served.pk), date(2022, 5, 1))
    }


def test_a_restated_day_without_rows_is_emptied_and_undoing_brings_it_back():
    shop, served = factories.merchant(), factories.provider()
    factories.binding(served, shop, starts_on=date(2022, 1, 1))
    first = send(f"{HEADER}{DAY},{shop.code},1000\n2022-05-02,{shop.code},2000\n", key="one")
    second = send(f"{HEADER}2022-05-02,{shop.code},2000\n", key="two", partition="2022-05-01..2022-05-02", replace=True)
    assert counts(second) == (0, 0, 1, 1)
    assert standing() == {("2022-05-02", shop.pk): 2000}
    WorkMark.objects.all().delete()
    undo_batch(second.pk, actor=None)
    assert standing() == {(DAY, shop.pk): 1000, ("2022-05-02", shop.pk): 2000}
    assert set(SALES.objects.values_list("batch_id", flat=True)) == {first.pk}
    assert DeliveredDay.objects.get(day=DAY).totals == {"gmv_paid": 1000}
    assert WorkMark.objects.filter(kind="roll_up", scope=str(served.pk), from_day=date(2022, 5, 1)).exists()


def test_a_restatement_whose_removed_row_came_again_is_not_undone():
    shop, other = factories.merchant(), factories.merchant()
    send(f"{HEADER}{DAY},{shop.code},1000\n{DAY},{other.code},1\n", key="one")
    second = send(f"{HEADER}{DAY},{other.code},1\n", key="two", replace=True)
    send(f"{HEADER}{DAY},{shop.code},5\n", key="three")
    with pytest.raises(LaterBatchStands, match="three"):
        undo_batch(second.pk, actor=None)


def test_a_restatement_must_carry_what_the_day_was_delivered_with():
    shop = factories.merchant()
    send(f"day,merchant,gmv_paid,paid_orders\n{DAY},{shop.code},5000,1\n", key="one")
    batch = send(f"{HEADER}{DAY},{shop.code},5000\n", key="two", replace=True)
    assert (batch.status, batch.row_errors.get().found) == ("refused", "paid_orders")
    assert SALES.objects.get().paid_orders == 1


def test_an_older_version_never_comes_after_a_newer_one():
    shop = factories.merchant()
    newest = send(f"{HEADER}{DAY},{shop.code},2000\n", key="", partition=DAY, version=2, replace=True)
    assert (newest.key, newest.partition, newest.version) == (f"{DAY} v2", DAY, 2)
    for version in (1, 2):
        with pytest.raises(NewerVersion, match="2"):
            send(f"{HEADER}{DAY},{shop.code},1000\n", key=f"k{version}", partition=DAY, version=version)
    assert send(f"{HEADER}{DAY},{shop.code},2000\n", key="", partition=DAY, version=2, replace=True).pk == newest.pk
    assert standing() == {(DAY, shop.pk): 2000}


def test_rows_outside_the_bindings_are_warned_of_and_count():
    bound, never = factories.merchant(), factories.merchant()
    factories.binding(factories.provider(), bound, starts_on=date(2022, 5, 2))
    batch = send(f"{HEADER}{DAY},{bound.code},1000\n2022-05-02,{bound.code},1000\n{DAY},{never.code},5\n", key="one")
    assert (batch.status, batch.warnings, batch.errors, batch.rows_added) == ("applied", 1, 0, 3)
    note = batch.row_errors.get()
    assert (note.row, note.column, note.found, note.is_warning) == (2, "day", DAY, True)


def test_every_kind_of_file_says_the_same():
    shop = factories.merchant()
    rows = [{"day": f"2022-05-{n:02d}", "merchant": shop.code, "gmv_paid": 1000 + n} for n in range(1, 10)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    text = HEADER + "".join(f"{row['day']},{row['merchant']},{row['gmv_paid']}\n" for row in rows)
    parquet, dated = io.BytesIO(), io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    typed = [{**row, "day": date.fromisoformat(row["day"])} for row in rows]
    pq.write_table(pa.Table.from_pylist(typed), dated, row_group_size=4)
    assert send(text, key="csv").rows_added == 9
    kinds = {
        "csv.gz": gzip.compress(text.encode()),
        "mark": b"\xef\xbb\xbf" + text.encode(),
        "utf-16": text.encode("utf-16"),
        "crlf": text.replace("\n", "\r\n").encode(),
        "ndjson": lines.encode(),
        "ndjson.gz": gzip.compress(lines.encode()),
        "parquet": parquet.getvalue(),
        "parquet with dates": dated.getvalue(),
    }
    for name, content in kinds.items():
        batch = send(content, key=name)
        assert (batch.status, counts(batch)) == ("applied", (0, 0, 9, 0)), (name, list(batch.row_errors.values()))


def test_faults_of_every_kind_of_file_name_the_row_and_the_column():
    shop = factories.merchant()
    rows = [{"day": DAY, "merchant": shop.code, "gmv_paid": 5}, {"day": DAY, "merchant": "nobody", "gmv_paid": 5}]
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for key, content, row in (("parquet", parquet.getvalue(), 3), ("ndjson", lines, 2)):
        error = send(content, key=key).row_errors.get()
        assert (error.row, error.column, error.found) == (row, "merchant", "nobody")
    assert not SALES.objects.exists()


def test_what_was_known_at_any_moment_can_be_rebuilt():
    """Every version a key ever had, undone ones and removed ones included, against a diary kept beside."""
    shops = [factories.merchant() for _ in range(4)]
    codes = [shop.code for shop in shops]
    diary: list[tuple[datetime, dict]] = []

    def note() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            diary.append((cursor.fetchone()[0], standing()))

    send(HEADER + "".join(f"{DAY},{code},{n}00\n" for n, code in enumerate(codes, 1)), key="one")
    note()
    send(f"{HEADER}{DAY},{codes[0]},111\n", key="two")
    note()
    third = send(f"{HEADER}{DAY},{codes[0]},111\n{DAY},{codes[1]},222\n", key="three", replace=True)
    note()
    undo_batch(third.pk, actor=None)
    note()
    send(f"{HEADER}{DAY},{codes[2]},333\n2022-05-02,{codes[0]},9\n", key="four")
    note()
    for moment, known in diary:
        assert facts_at(moment) == known
    assert len({str(sorted(known.items())) for _moment, known in diary}) == 4


def facts_at(moment: datetime) -> dict[tuple[str, int], int]:
    """Rebuild the facts from what stands and from the history, as docs/bring-your-data.md says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (day, merchant_id, streamer_id) day::text, merchant_id, gmv_paid FROM ("
            " SELECT day, merchant_id, streamer_id, gmv_paid, batch_id, NULL AS recorded_to FROM fact_sales_merchant"
            " UNION ALL SELECT day, merchant_id, streamer_id, gmv_paid, batch_id, recorded_to"
            " FROM fact_sales_merchant_history) version"
            " JOIN providers_batch batch ON batch.id = batch_id"
            " WHERE received_at <= %(at)s AND (recorded_to IS NULL OR recorded_to > %(at)s)"
            " ORDER BY day, merchant_id, streamer_id, received_at DESC",
            {"at": moment},
        )
        return {(day, shop): paid for day, shop, paid in cursor.fetchall() if paid is not None}


def test_the_watched_folder_takes_each_file_once(settings, tmp_path: Path):
    settings.PORTAL_VAR = tmp_path
    shop = factories.merchant()
    call_command("take_in")
    folder = inbox() / "sales"
    (folder / "day.csv").write_text(f"{HEADER}{DAY},{shop.code},1000\n")
    assert take_in() == [], "it may still be growing"
    for name, text in (
        ("day.csv", f"{HEADER}{DAY},{shop.code},1000\n"),
        ("bad.csv", f"{HEADER}{DAY},nobody,1000\n"),
        ("growing.csv.part", HEADER),
        ("replace/day.csv", f"{HEADER}2022-05-02,{shop.code},7\n"),
    ):
        (folder / name).write_text(text)
        os.utime(folder / name, (1_650_000_000, 1_650_000_000))
    (folder / "link.csv").symlink_to("/etc/passwd")

    statuses = sorted((batch.file_name, batch.status, batch.replaces) for batch in take_in())

    assert statuses == [("bad.csv", "refused", False), ("day.csv", "applied", False), ("day.csv", "applied", True)]
    assert (folder / "growing.csv.part").is_file()
    assert (folder / "link.csv").is_symlink()
    assert not (folder / "day.csv").exists()
    assert len(list((folder / "done").glob("*.report.json"))) == 2
    (report,) = (folder / "refused").glob("*.report.json")
    said = json.loads(report.read_text())
    assert (said["status"], said["notes"][0]["found"]) == ("refused", "nobody")
    # A crash before the file was moved leaves it where it was: the batch is found again.
    (folder / "day.csv").write_text(f"{HEADER}{DAY},{shop.code},1000\n")
    os.utime(folder / "day.csv", (1_650_000_000, 1_650_000_000))
    (again,) = take_in()
    assert again.pk == Batch.objects.get(file_name="day.csv", replaces=False).pk
    assert Batch.objects.count() == 3


@pytest.mark.parametrize("held", [3, 500_000])
def test_days_in_any_order_are_the_same_facts(held: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source, "CHUNK", 100)
    monkeypatch.setattr(apply_facts, "HELD_ROWS", held)
    shops = [factories.merchant() for _n in range(3)]
    send(f"{HEADER}2022-05-31,{shops[0].code},1000\n", key="one")
    days = ["2022-06-02", "2022-05-31", "2022-06-03", "2022-05-30", "2022-06-01"]
    rows = {(day, shop.pk): 1000 * n for n, day in enumerate(days) for shop in shops}
    codes = {shop.pk: shop.code for shop in shops}
    order = sorted(rows, key=lambda row: hash_of(*row))

    batch = send(HEADER + "".join(f"{day},{codes[shop]},{rows[day, shop]}\n" for day, shop in order), key="two")

    assert counts(batch) == (14, 0, 1, 0)
    assert standing() == rows
    assert {str(row.day): (row.rows, row.totals["gmv_paid"]) for row in DeliveredDay.objects.all()} == {
        day: (3, 3 * value) for (day, _shop), value in rows.items()
    }


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("asked", "compared"), [(1, 2), (1, 500_000), (1_000_000, 500_000)])
def test_days_compared_while_the_file_is_read_are_as_if_it_were_read_first(
    asked: int, compared: int, mixed: bool, replace: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source, "CHUNK", 60)
    monkeypatch.setattr(meeting, "ASKED_ROWS", asked)
    monkeypatch.setattr(meeting, "COMPARED_ROWS", compared)
    shops = [factories.merchant() for _n in range(3)]
    days = [f"2022-05-{n:02d}" for n in range(1, 7)]
    rows = {(day, shop): 1000 for day in days for shop in shops}
    send(HEADER + "".join(f"{day},{shop.code},{paid}\n" for (day, shop), paid in rows.items()), key="one")
    del rows["2022-05-02", shops[0]], rows["2022-05-04", shops[2]]
    rows |= {("2022-05-01", shops[1]): 1, ("2022-05-06", shops[2]): 2, ("2022-06-01", shops[0]): 3}
    order = sorted(rows, key=lambda row: hash_of(row[0], row[1].pk) if mixed else row[0])
    text = HEADER + "".join(f"{day},{shop.code},{rows[day, shop]}\n" for day, shop in order)

    twice = send(f"{text}2022-05-01,{shops[1].code},1\n", key="two", replace=replace)
    batch = send(text, key="three", replace=replace)

    first = 2 + order.index(("2022-05-01", shops[1]))
    (fault,) = twice.row_errors.all()
    assert (twice.status, fault.row) == ("refused", len(rows) + 2)
    assert f" {first}" in fault.reason
    assert counts(batch) == (1, 2, 14, 2 if replace else 0)
    assert HISTORY["sales", "merchant"].objects.filter(superseded_by=batch.pk).count() == (4 if replace else 2)
    kept = {} if replace else {("2022-05-02", shops[0]): 1000, ("2022-05-04", shops[2]): 1000}
    assert standing() == {(day, shop.pk): paid for (day, shop), paid in {**rows, **kept}.items()}
    totals = {row.day.isoformat(): (row.rows, row.totals["gmv_paid"]) for row in DeliveredDay.objects.all()}
    assert totals["2022-05-01"] == (3, 2001)
    assert totals["2022-05-04"] == ((2, 2000) if replace else (3, 3000))
    assert totals["2022-06-01"] == (1, 3)


def hash_of(day: str, shop: int) -> str:
    """Return what puts rows into no order, the same in every run."""
    return hashlib.sha256(f"{day} {shop % 3}".encode()).hexdigest()
