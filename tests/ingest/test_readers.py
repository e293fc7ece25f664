"""Reading bytes: the same rows whichever way they are cut, and never a number that was not written."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.feeds import fact_layouts
from providers.readers import source as source_module
from providers.readers.checks import RowCheck, TotalCheck
from providers.readers.facts import FactFile, read_facts
from providers.readers.faults import Faults, UnreadableFile
from providers.readers.fields import Codes, as_date, days, numbers
from providers.readers.lines import Lines
from providers.readers.mapping import PLAIN, Mapping, MappingInvalid, read_mapping
from providers.readers.plan import FactRules
from providers.readers.rows import key_order
from providers.readers.source import Source

TODAY = date(2022, 6, 30)


def blocks(content: bytes) -> tuple[list[list[str]], list[int], Faults]:
    faults = Faults()
    rows, numbers_of = [], []
    lines = Lines(Source(io.BytesIO(content)))
    for block in lines.blocks(faults):
        rows += [[block.text(i, j) for j in range(len(lines.header))] for i in range(len(block.lines))]
        numbers_of += block.lines.tolist()
    return rows, numbers_of, faults


def read(text: str | bytes, mapping: Mapping = PLAIN, feed: str = "sales") -> FactFile:
    content = text.encode() if isinstance(text, str) else text
    register = Codes.of({"M-1": 11, "M-2": 12, "商家-3": 13})
    rules = FactRules(
        fact_layouts(feed),
        {"merchant": register, "streamer": Codes.of({"S-1": 21}), "provider": Codes.of({"P-1": 31})},
        [RowCheck.parse("placed_orders <= gmv_placed", {})],
        frozenset({"skus_listed", "skus_sold", "shop_experience_score"}),
        TODAY,
    )
    return read_facts(io.BytesIO(content), rules, mapping)


FIELD = st.text(st.characters(codec="utf-8", exclude_characters='\x00\r\n",'), max_size=8)


@given(rows=st.lists(st.lists(FIELD, min_size=3, max_size=3), max_size=30), block=st.integers(1, 64))
def test_plain_and_quoted_files_give_the_same_rows(rows: list[list[str]], block: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "CHUNK", block)
        plain = "a,b,c\n" + "".join(",".join(row) + "\r\n" for row in rows)
        quoted = io.StringIO()
        csv.writer(quoted, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b", "c"], *rows])
        assert blocks(plain.encode())[:2] == (rows, list(range(2, len(rows) + 2)))
        assert blocks(quoted.getvalue().encode())[:2] == (rows, list(range(2, len(rows) + 2)))


def test_a_quoted_field_may_hold_commas_and_line_ends():
    rows, at, faults = blocks(b'a,b\n1,2\n"x,\ny","say ""so"""\n3,4')
    assert rows == [["1", "2"], ["x,\ny", 'say "so"'], ["3", "4"]]
    assert at == [2, 3, 5]
    assert not faults


def test_ragged_rows_are_named_and_empty_lines_passed_over():
    rows, at, faults = blocks(b"a,b\n1,2\n\n3\n4,5,6\n7,8\n")
    assert rows == [["1", "2"], ["7", "8"]]
    assert at == [2, 6]
    assert [(fault.row, fault.found) for fault in faults.first()] == [(4, "3"), (5, "4,5,6")]


def column(fields: list[str], scale: int = 1):
    faults = Faults()
    text = "x,y\n" + "".join(f"{field},\n" for field in fields)
    (block,) = Lines(Source(io.BytesIO(text.encode()))).blocks(faults)
    return numbers(block, 0, scale), block


@given(st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1))
def test_every_integer_is_read_exactly(values: list[int]):
    read_back, _block = column([str(value) for value in values])
    assert not read_back.bad.any()
    assert read_back.values.tolist() == values


@given(st.lists(st.decimals(-(10**8), 10**8, places=2), min_size=1), st.sampled_from([100, 1000, 1_000_000]))
def test_scaled_decimals_are_exact(values: list[Decimal], scale: int):
    read_back, _block = column([str(value) for value in values], scale)
    assert not (read_back.bad | read_back.inexact).any()
    assert read_back.values.tolist() == [int(value * scale) for value in values]


def test_a_scaled_number_that_would_be_rounded_is_refused():
    read_back, _block = column(["1.005", "1.5", ".5", "1.", "1.2.3", "-0.01", "1e3"], 100)
    assert read_back.inexact.tolist() == [True, False, False, False, False, False, False]
    assert read_back.bad.tolist() == [False, False, True, True, True, False, True]
    assert read_back.values[[1, 5]].tolist() == [150, -1]


@pytest.mark.parametrize(
    "text",
    [
        "1,000",
        "１２",
        "1.0",
        "1e3",
        "+1",
        " 1",
        "1 ",
        "-",
        "--1",
        "NaN",
        "inf",
        "0x10",
        "1_000",
        "9" * 19,
        "٣",
        "1\t",
        "=1+1",
    ],
)
def test_what_is_not_a_whole_number_is_bad(text: str):
    quoted = '"' + text + '"'
    faults = Faults()
    (block,) = Lines(Source(io.BytesIO(f"x,y\n{quoted},\n".encode()))).blocks(faults)
    assert numbers(block, 0).bad.tolist() == [True]


@given(st.lists(st.dates(), min_size=1))
def test_every_day_is_read_exactly(values: list[date]):
    text = "x\n" + "".join(f"{value.isoformat()}\n" for value in values)
    (block,) = Lines(Source(io.BytesIO(text.encode()))).blocks(Faults())
    found, bad = days(block, 0)
    assert not bad.any()
    assert [as_date(number) for number in found.tolist()] == values


@pytest.mark.parametrize(
    "text",
    ["2022-02-29", "2022-13-01", "2022-00-10", "20220501", "2022/05/01", "2022-5-1", "01.05.2022", "0000-01-01", ""],
)
def test_what_is_no_day_is_bad(text: str):
    (block,) = Lines(Source(io.BytesIO(f"x,y\n{text},\n".encode()))).blocks(Faults())
    assert days(block, 0)[1].tolist() == [True]


@given(st.dictionaries(FIELD.filter(bool), st.integers(1, 10**12), min_size=1), st.lists(FIELD))
def test_codes_are_found_byte_by_byte(known: dict[str, int], asked: list[str]):
    wanted = [*known, *asked]
    text = "x,y\n" + "".join(f"{code},\n" for code in wanted)
    (block,) = Lines(Source(io.BytesIO(text.encode()))).blocks(Faults())
    ids = [known.get(code, -1) for code in wanted]
    codes = Codes.of(known)
    assert codes.find(block.data, block.starts[:, 0], block.ends[:, 0]).tolist() == ids
    # As columns of other files have them: one behind the other.
    packed = [code.encode() for code in wanted]
    at = np.cumsum([0, *map(len, packed)])
    assert codes.find(np.frombuffer(b"".join(packed), dtype=np.uint8), at[:-1], at[1:]).tolist() == ids


def test_codes_of_one_length_are_found_in_one_piece():
    known = {f"M-{number:07d}": number + 1 for number in range(50)}
    wanted = [*list(known)[::-1], "M-9999999", "M-000000\0", "m-0000001"]
    at = np.arange(len(wanted) + 1) * 9
    data = np.frombuffer("".join(wanted).encode(), dtype=np.uint8)
    assert Codes.of(known).find(data, at[:-1], at[1:]).tolist() == [known.get(code, -1) for code in wanted]
    longer = Codes.of(known | {"M-0000001-and-more-than-two-words": 99})
    assert longer.find(data, at[:-1], at[1:]).tolist() == [known.get(code, -1) for code in wanted]


@pytest.mark.parametrize("widest", [7, 1 << 40, 1 << 61])
def test_keys_are_put_in_order_and_equal_ones_stay(widest: int):
    packed = np.array([widest, 0, 5, 3, 5, 0, widest, 3], dtype=np.int64)
    assert key_order(packed).tolist() == [1, 5, 3, 7, 2, 4, 0, 6]
    assert key_order(packed[:0]).tolist() == []


def test_a_fact_file_becomes_sorted_columns():
    file = read(
        "merchant,day,placed_orders,gmv_placed\nM-2,2022-06-02,1,100\n商家-3,2022-06-01,2,200\nM-1,2022-06-02,0,0\n"
    )
    assert file.rows is not None
    assert [as_date(number).day for number in file.rows.keys["day"].tolist()] == [1, 2, 2]
    assert file.rows.keys["merchant"].tolist() == [13, 11, 12]
    assert file.rows.measures["gmv_placed"].tolist() == [200, 0, 100]


def test_a_state_may_be_unknown_but_a_flow_may_not():
    file = read("day,merchant,skus_listed,skus_sold\n2022-06-01,M-1,5,\n2022-06-01,M-2,,3\n", feed="supply")
    assert file.rows is not None
    assert file.rows.unknown["skus_sold"].tolist() == [True, False]
    assert not file.faults
    assert read("day,merchant,inspections\n2022-06-01,M-1,\n", feed="supply").faults.total == 1


HEADER = b"day,merchant,gmv_placed\n"
ROW = b"2022-06-01,M-1,100\n"
MALFORMED = {
    "empty": b"",
    "only a header": HEADER,
    "only a line end": b"\n",
    "no key": b"merchant,gmv_placed\nM-1,1\n",
    "no measure": b"day,merchant\n2022-06-01,M-1\n",
    "a column twice": b"day,merchant,gmv_placed,gmv_placed\n2022-06-01,M-1,1,1\n",
    "unknown column": b"day,merchant,gmv_placed,note\n2022-06-01,M-1,1,x\n",
    "a derived measure": b"day,merchant,gmv_known_source\n2022-06-01,M-1,1\n",
    "semicolons": b"day;merchant;gmv_placed\n2022-06-01;M-1;1\n",
    "utf-16": (HEADER + ROW).decode().encode("utf-16-le"),
    "utf-16 without mark": (HEADER + ROW).decode().encode("utf-16-le"),
    "gbk": HEADER + "2022-06-01,商家,1\n".encode("gbk"),
    "latin-1": HEADER + "2022-06-01,é,1\n".encode("latin-1"),
    "zip": b"PK\x03\x04rest",
    "cut gzip": gzip.compress(HEADER + ROW * 1000)[:-12],
    "broken gzip": b"\x1f\x8b\x08\x00" + b"x" * 40,
    "open quote": HEADER + b'2022-06-01,"M-1,100\n',
    "text after quote": HEADER + b'2022-06-01,"M-1"x,100\n',
    "nul": HEADER + b"2022-06-01,M-1\x00,100\n",
    "old mac line ends": (HEADER + ROW).replace(b"\n", b"\r"),
    "lone carriage return": HEADER + b"2022-06-01,M-1,1\r00\n",
    "future": HEADER + b"2022-07-01,M-1,100\n",
    "ancient": HEADER + b"1999-12-31,M-1,100\n",
    "too much": HEADER + b"2022-06-01,M-1,200000000001\n",
    "negative": HEADER + b"2022-06-01,M-1,-1\n",
    "no merchant": HEADER + b"2022-06-01,,100\n",
    "foreign merchant": HEADER + b"2022-06-01,M-9,100\n",
    "trailing comma": HEADER + b"2022-06-01,M-1,100,\n",
    "key twice": HEADER + ROW + ROW,
    "orders above cents": b"day,merchant,placed_orders,gmv_placed\n2022-06-01,M-1,5,4\n",
    "formula": HEADER + b"2022-06-01,M-1,=SUM(A1)\n",
    "html": b"<!doctype html><html><body>Sign in</body></html>",
    "very long line": b"x" * 3_000_000,
    "very long field": HEADER + b'"' + b"x" * 3_000_000 + b'"\n',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_gives_faults_and_no_rows(name: str):
    file = read(MALFORMED[name])
    assert file.rows is None
    assert file.faults.total > 0
    assert all(fault.reason for fault in file.faults.first())


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_whatever_break_the_reader(noise: bytes, with_header: bool):
    file = read(HEADER + noise if with_header else noise)
    assert (file.rows is None) == bool(file.faults)


@given(st.data())
def test_one_damaged_byte_is_a_fault_or_another_valid_file(data: st.DataObject):
    good = HEADER + b"".join(f"{TODAY - timedelta(days=n)},M-1,{n * 100}\n".encode() for n in range(20))
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    file = read(damaged)
    assert (file.rows is None) == bool(file.faults)


def test_faults_are_counted_beyond_those_kept():
    file = read(HEADER + b"".join(b"2022-06-01,M-9,%d\n" % n for n in range(5000)))
    assert file.faults.total == 5000
    assert len(file.faults.first()) == 1000


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("columns:\n  day: date\n  gmv_paid: {from: x, scale: 0.5}\n", 3, "columns.gmv_paid.scale"),
        ("feed: sales\nfeed: live\n", 2, "feed"),
        ("rest: keep\n", 1, "rest"),
        ("feed: sales\ncolums: {}\n", 2, "colums"),
        ("constants:\n  country: NO\n", 2, "constants.country"),
        ("covers: {from: 2022-06-02, until: 2022-06-01}\n", 1, "covers"),
        ("where_in:\n  provider: {file: a.csv}\n", 2, "where_in.provider"),
    ],
)
def test_a_wrong_mapping_names_line_and_key(text: str, line: int, key: str):
    with pytest.raises(MappingInvalid) as refused:
        read_mapping(text)
    assert refused.value.detail == {"line": line, "key": key}


@pytest.mark.parametrize("text", ["- a\n", "a: [", "!!python/object:os.system {}", "", "a: &x [*x]\n"])
def test_what_is_no_mapping_is_refused(text: str):
    with pytest.raises(MappingInvalid):
        read_mapping(text)


def test_a_mapping_reads_no_file_outside_the_folder(tmp_path):
    (tmp_path / "list.csv").write_text("provider\nP-1\n")
    inside = read_mapping("where_in: {provider: {file: list.csv, column: provider}}", beside=tmp_path)
    assert inside.kept == {"provider": {"P-1"}}
    for mapping in (
        read_mapping("where_in: {provider: {file: ../list.csv, column: provider}}", beside=tmp_path),
        read_mapping("where_in: {provider: {file: list.csv, column: provider}}"),
        read_mapping("where_in: {provider: {file: list.csv, column: code}}", beside=tmp_path),
    ):
        with pytest.raises(MappingInvalid):
            assert mapping.kept


def test_a_mapping_scales_money():
    mapping = read_mapping("columns: {gmv_placed: {from: amount, scale: 1000000}}\nconstants: {merchant: M-1}\n")
    file = read("day,amount\n2022-06-01,0.85\n2022-06-02,12\n", mapping)
    assert file.rows is not None
    assert file.rows.measures["gmv_placed"].tolist() == [850000, 12000000]
    assert file.rows.keys["merchant"].tolist() == [11, 11]


def test_row_checks_sum_what_a_derived_measure_stands_for():
    check = RowCheck.parse("live_uv >= 20 * valid_sessions", {"live_uv": ("uv_a", "uv_b")})
    columns = {"uv_a": np.array([10, 10]), "uv_b": np.array([10, 9]), "valid_sessions": np.array([1, 1])}
    assert check.operands == {"uv_a", "uv_b", "valid_sessions"}
    assert check.fails(columns).tolist() == [False, True]


def test_a_quotient_of_totals_is_exact():
    check = TotalCheck.parse("gmv_paid / paid_orders", 1000, "100000")
    assert check.value({"gmv_paid": 999, "paid_orders": 1}) == 999
    assert check.value({"gmv_paid": 1, "paid_orders": 0}) is None
    assert check.value({"gmv_paid": 1}) is None


def test_an_unreadable_file_says_so():
    with pytest.raises(UnreadableFile):
        Lines(Source(io.BytesIO(b"")))
