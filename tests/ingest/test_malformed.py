"""Whatever is wrong with a file: it is refused, its faults are named, nothing of it counts, and memory is bounded."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from django.test import Client

from ecosystem.roles import Role
from providers.feeds import fact_layouts
from providers.models import FACTS, Batch, DeliveredDay
from providers.readers.checks import RowCheck
from providers.readers.facts import read_facts
from providers.readers.fields import Codes
from providers.readers.mapping import PLAIN
from providers.readers.plan import FactRules
from providers.steps.ingest import check, ingest
from tests import factories
from tests.ingest.malformed import GOOD, KEPT_GOOD, all_bad, csv

BAD = all_bad()
# Only the totals of a day tell these: no row of them is wrong.
HELD = ("万元 for fen", "yuan for fen")


def rules() -> FactRules:
    return FactRules(
        fact_layouts("sales"),
        {"merchant": Codes.of({"M-1": 11}), "streamer": Codes.of({"S-1": 21}), "provider": Codes.of({"P-1": 31})},
        [RowCheck.parse("placed_orders <= gmv_placed", {})],
        frozenset({"skus_listed"}),
        date(2022, 6, 30),
    )


def test_there_are_at_least_five_hundred_and_the_good_one_is_good():
    assert len({bad.content for bad in BAD}) >= 500
    assert len({bad.name for bad in BAD}) == len(BAD)
    assert read_facts(io.BytesIO(csv(GOOD, KEPT_GOOD).encode()), rules(), PLAIN).rows is not None


def test_every_file_is_refused_by_name_of_row_and_reason():
    known = rules()
    for bad in BAD:
        if bad.name.endswith(HELD):
            continue
        file = read_facts(io.BytesIO(bad.content), known, PLAIN)
        assert file.rows is None, bad.name
        assert file.faults.total >= 1, bad.name
        for fault in file.faults.first():
            assert fault.reason, bad.name
            assert fault.row >= 0, bad.name


@pytest.mark.django_db
def test_none_of_them_leaves_a_row():
    factories.merchant(code="M-1")
    factories.streamer(code="S-1")
    for bad in [bad for n, bad in enumerate(BAD) if n % 20 == 0 or bad.name.endswith(HELD)]:
        batch = ingest(bad.feed, io.BytesIO(bad.content), key=bad.name[:110].encode("unicode_escape").decode()[:120])
        assert (batch.status, batch.rows_added) == ("refused", 0), bad.name
        assert batch.row_errors.exists(), bad.name
    assert not FACTS["sales", "merchant"].objects.exists()
    assert not DeliveredDay.objects.exists()
    assert ingest("sales", io.BytesIO(csv(GOOD).encode()), key="good").status == "applied"


@pytest.mark.django_db
@pytest.mark.parametrize("feed", ["merchants", "bindings", "live"])
def test_no_feed_takes_them(feed: str):
    for bad in BAD[::40]:
        checked = check(feed, io.BytesIO(bad.content))
        assert (checked.accepted, checked.rows_added) == (False, 0), bad.name


@pytest.mark.django_db
def test_over_rest_they_are_422_and_never_500(client: Client):
    client.force_login(factories.user(Role.MACHINE))
    factories.merchant(code="M-1")
    for n, bad in enumerate(BAD[3::40]):
        address = f"/api/v1/ingest/sales/?key=bad-{n}"
        answer = client.post(address, bad.content, content_type="application/octet-stream")
        assert answer.status_code == 422, (bad.name, answer.content[:300])
        assert answer.json()["errors"] >= 1, bad.name
    assert not Batch.objects.filter(status="applied").exists()


MEASURE = """
import gzip, io, resource, sys
from datetime import date
import django; django.setup()
from tests.ingest.test_malformed import rules
from providers.readers.facts import FactReader
from providers.readers.mapping import PLAIN
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for content in (
    gzip.compress(b"day,merchant,gmv_placed\\n" + b"\\n" * (100 << 20), 9),
    gzip.compress(b"9" * (100 << 20), 9),
    b"day,merchant,gmv_placed\\n" + b"x,y,z\\n" * (5 << 20),
    b"day,merchant,gmv_placed\\n" + b"," * (30 << 20),
    b'day,merchant,gmv_placed\\n"' + b"9" * (30 << 20),
):
    stream = io.BytesIO(content)
    floor = max(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    reader = FactReader(stream, rules(), PLAIN)
    for _rows in reader.parts():
        pass
    assert reader.faults
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - floor)
"""


def test_the_memory_is_bounded():
    """Peak memory above that of the bytes themselves, in KiB, of files made to fill a machine."""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", MEASURE], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert max(int(line) for line in done.stdout.split()) < 400 << 10, done.stdout
