"""The quick reader takes nothing that the exact one would not take, and reads the same values."""

from __future__ import annotations

import io
import json
import random
from datetime import date

import numpy as np
import pytest

from providers.feeds import fact_layouts
from providers.readers import quick
from providers.readers.checks import RowCheck
from providers.readers.facts import read_facts
from providers.readers.fields import Codes
from providers.readers.mapping import PLAIN
from providers.readers.plan import FactRules
from providers.readers.rows import FactRows

NUMBERS = ["0", "7", "-3", "1000000", "", "1.0", "1e3", "0x1f", "+5", " 5", "5 ", "--5", "-", "١٢", "9" * 19, "007"]
NUMBERS += ["0" * 19 + "5", "0999999999999999999", "NaN", "1_000", "5\t", "999999999999999999"]
DAYS = ["2022-06-01", "2022-02-30", "2022-6-1", "20220601", "2022-06-01 ", "", "2999-01-01", "1999-12-31", "2022-W22-3"]
SHOPS = ["M-1", "商家-3", "nobody", "", " M-1", "M-1\x00", "m-1"]
ROOMS = ["", "S-1", "0xS"]


def rules(feed: str) -> FactRules:
    return FactRules(
        fact_layouts(feed),
        {
            "merchant": Codes.of({"M-1": 11, "商家-3": 13}),
            "streamer": Codes.of({"S-1": 21}),
            "provider": Codes.of({"P-1": 31}),
        },
        [RowCheck.parse("skus_sold <= skus_listed", {}), RowCheck.parse("placed_orders <= gmv_placed", {})],
        frozenset({"skus_listed", "skus_sold", "shop_experience_score"}),
        date(2022, 6, 30),
    )


def told(content: bytes, feed: str) -> tuple[object, ...]:
    file = read_facts(io.BytesIO(content), rules(feed), PLAIN)
    return file.rows and shown(file.rows), file.row_count, file.faults.total, file.faults.first(), file.digest


def shown(rows: FactRows) -> dict[str, object]:
    unknown = {name: flags.tolist() for name, flags in rows.unknown.items() if flags.any()}
    return {name: values.tolist() for name, values in {**rows.keys, **rows.measures}.items()} | {"?": unknown}


def both(content: bytes, feed: str) -> tuple[object, ...]:
    """Return what both readers say, having seen that it is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quick, "LEAST_BYTES", 1)
        fast = told(content, feed)
        patch.setattr(quick.Quick, "rows", lambda _self, _chunk: None)
        assert fast == told(content, feed), content
    return fast


@pytest.mark.parametrize("feed", ["sales", "supply"])
def test_the_quick_reader_agrees_with_the_exact_one(feed: str):
    draw = random.Random(20220630)
    measures = {"sales": ["gmv_placed", "placed_orders"], "supply": ["skus_listed", "skus_sold"]}[feed]
    taken = 0
    for _n in range(300):
        odd = draw.random() < 0.6
        rows = []
        for _row in range(draw.randint(1, 4)):
            good = [f"2022-06-{draw.randint(1, 30):02d}", draw.choice(SHOPS[:2]), draw.choice(ROOMS[:2]), "900", "5"]
            if odd and draw.random() < 0.5:
                place = draw.randrange(5)
                good[place] = draw.choice((DAYS, SHOPS, ROOMS, NUMBERS, NUMBERS)[place])
            rows.append(good)
        names = ["day", "merchant", "streamer", *measures]
        end = draw.choice(["\n", "\r\n"])
        text = end.join(",".join(row) for row in [names, *rows]) + draw.choice(["", end, "\n\n"])
        taken += both(text.encode(), feed)[0] is not None
        values = [row[:3] + [int(x) if x.isdecimal() and draw.random() < 0.8 else x for x in row[3:]] for row in rows]
        lines = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=draw.random() < 0.5) for row in values]
        both(draw.choice(["\n", "\n", "\n\n", ""]).join(lines).encode() + b"\n", feed)
    assert taken > 50


def test_the_quick_reader_is_used_for_a_plain_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "LEAST_BYTES", 1)
    taken = []
    rows = quick.Quick.rows
    monkeypatch.setattr(quick.Quick, "rows", lambda self, chunk: taken.append(rows(self, chunk)) or taken[-1])
    told(b"day,merchant,gmv_placed\n2022-06-02,M-1,5\n2022-06-01,M-1,7\n", "sales")
    told(b'{"day":"2022-06-02","merchant":"M-1","gmv_placed":5}\n', "sales")
    assert [part is not None for part in taken] == [True, True]
    assert np.array_equal(taken[0].keys["merchant"], [11, 11])
