"""Scoring a CSV table: what comes out, and what is refused with its row, column and reason."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from scoring.core.reader import load
from scoring.core.rubric import Rubric
from scoring.core.table import TableError, read_table, score_rows
from tests.core.tools import DATA, DEMO, leaf, rubric

RATES = """\
rubric: rates
version: v1
needs_capabilities: 1
root:
  code: TOTAL
  children:
  - code: A
    weight: 1
    value: good / all
    window: 90d
    points: {goalposts: [0, 1]}
    sample: {count: all, at_least: 10, shrink_to: 50, insufficient_below: '0.2'}
  - code: B
    weight: 1
    value: last(stock)
    points: {goalposts: [0, 10]}
    missing: owed_by_provider
  - code: C
    weight: 2
    value: good[365d]
    points: {goalposts: [0, 200]}
grades: [[HIGH, 60], [LOW, 0]]
profiles: {FIRST: {A: 1, B: 0, C: 0}}
"""
HEADER = "unit,good,all,last(stock),good[365d]\n"


def run(text: str, rules: Rubric | None = None) -> list[dict[str, str]]:
    rules = rules or load(RATES)
    rows = list(score_rows(rules, read_table(io.StringIO(text), rules)))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def refused(text: str, rules: Rubric | None = None) -> list[str]:
    with pytest.raises(TableError) as error:
        read_table(io.StringIO(text), rules or load(RATES))
    return [str(fault) for fault in error.value.faults]


def test_rows_come_out_in_the_order_of_the_table() -> None:
    made = run(HEADER + "b,9,10,5,100\na,2,3,,20\nc,,10,0,0\nd,9,10,5,100\n")
    assert list(made[0]) == ["unit", "TOTAL", "A", "B", "C", "published", "grade", "rank", "status", "flags"]
    assert made[0] == {
        "unit": "b",
        "TOTAL": "60",
        "A": "90",
        "B": "50",
        "C": "50",
        "published": "60.0",
        "grade": "HIGH",
        "rank": "1",
        "status": "rated",
        "flags": "",
    }
    # a: 2 of 3 at a sample of 3 of 10: (3 · 66.67 + 7 · 50) / 10 = 55; the stock's weight is re-spread by its node
    assert (made[1]["A"], made[1]["B"], made[1]["TOTAL"], made[1]["rank"]) == ("55", "", "25", "3")
    assert made[1]["flags"] == "reweighted:TOTAL shrunk:A"
    assert (made[2]["A"], made[2]["B"], made[2]["published"], made[2]["rank"]) == ("", "0", "0.0", "4")
    assert (made[3]["rank"], made[3]["unit"]) == ("1", "d")


def test_a_column_named_like_an_indicator_is_its_value() -> None:
    made = run("unit,A,B,C\nx,0.3333,5,\n")
    assert (made[0]["A"], made[0]["B"], made[0]["C"]) == ("33.33", "50", "")


def test_an_empty_cell_is_no_zero_whoever_owes_it() -> None:
    """A table has no earlier cycle to carry from: what is missing is left to the node's rule."""
    (empty, zero) = run("unit,A,B,C\nempty,0.5,,0\nzero,0.5,0,0\n")
    assert (empty["B"], empty["TOTAL"]) == ("", "16.66666666666666666666666666666667")
    assert (zero["B"], zero["TOTAL"]) == ("0", "12.5")
    assert "reweighted:TOTAL" in empty["flags"]
    assert "reweighted" not in zero["flags"]


def test_cells_are_exact_decimals_of_any_length() -> None:
    rules = rubric(leaf("X"), leaf("Y"), published_decimals=2)
    made = run(
        "unit,X,Y\na,12.3450000000000000000000000000001,12.345\nb,12.344999999999999999999999999999999,12.345\n", rules
    )
    assert [row["published"] for row in made] == ["12.35", "12.34"]
    assert made[0]["X"] == "12.3450000000000000000000000000001"


def test_profiles_and_other_unit_columns() -> None:
    rules = load(RATES)
    text = "who,profile,A,B,C\nx,FIRST,0.9,0,0\ny,,0.9,0,0\n"
    rows = list(score_rows(rules, read_table(io.StringIO(text), rules, unit="who")))
    assert [tuple(row[:2]) for row in rows[1:]] == [("x", "90"), ("y", "22.5")]


def test_cohorts_are_frozen_from_the_table_itself() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": "percentile"})
    lines = [f"{group}{n},{group},{n}" for group in "ab" for n in range(20)] + ["c0,c,1"]
    made = run("unit,cohort,X\n" + "\n".join(lines) + "\n", rules)
    assert made[0]["X"] == "2.5"
    assert made[39]["X"] == "97.5"
    assert (made[40]["X"], made[40]["flags"]) == ("", "unrated:TOTAL insufficient:X")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the table is empty"),
        (HEADER, "the table has a header and no rows"),
        (HEADER + 'x,"1,000",10,5,1\n', "row 2, column good: '1,000' is not a number such as 1234.5"),
        (HEADER + "x,１２,10,5,1\n", "row 2, column good: '１２' is not a number such as 1234.5"),
        (HEADER + "x,nan,10,5,1\n", "row 2, column good: 'nan' is not a number such as 1234.5"),
        (HEADER + "x,1,10,5,-inf\n", "row 2, column good[365d]: '-inf' is not a number such as 1234.5"),
        (HEADER + "x,1,10,+5,1\n", "row 2, column last(stock): '+5' is not a number such as 1234.5"),
        (HEADER + "x,1,0x10,5,1\n", "row 2, column all: '0x10' is not a number such as 1234.5"),
        (HEADER + "x,1,1_0,5,1\n", "row 2, column all: '1_0' is not a number such as 1234.5"),
        (HEADER + "x,1,10\n", "row 2: 3 cells, the header has 5"),
        (HEADER + "x,1,2,3,4\nx,1,2,3,4\n", "row 3, column unit: 'x' stands twice, first in row 2"),
        (HEADER + ",1,2,3,4\n", "row 2, column unit: the subject has no name"),
        ("unit,good,good,all,last(stock)\n", "row 1, column good: the column stands twice"),
        ("name,A,B,C\nx,1,1,1\n", "row 1, column unit: this column names the subjects and is missing"),
        (
            "unit,A,B,C,godo\nx,1,1,1,1\n",
            "row 1, column godo: the rubric does not read this column; did you mean 'good'?",
        ),
        ("unit,A,B\nx,1,1\n", "row 1, column C: the column is missing, or those it is computed from: good[365d]"),
        ("unit,A,B,C,\nx,1,1,1,1\n", "row 1, column 5: the column has no name"),
        (
            "unit,profile,A,B,C\nx,FRIST,1,1,1\n",
            "row 2, column profile: the rubric has no profile 'FRIST'; did you mean 'FIRST'?",
        ),
        (
            HEADER + 'x,"1"2,10,5,1\n',
            "row 2: this is not CSV: something stands between a closing quotation mark and the next comma",
        ),
        (HEADER + f"x,{'1' * 61},10,5,1\n", f"row 2, column good: '{'1' * 60}' is not a number such as 1234.5"),
    ],
)
def test_every_fault_names_its_row_column_and_reason(text: str, fault: str) -> None:
    assert fault in refused(text)


def test_all_faults_are_found_in_one_go() -> None:
    assert len(refused(HEADER + "x,a,b,5,1\nx,1,2,3,c\n")) == 4


def test_a_table_wider_than_any_rubric_is_refused_with_its_first_thousand_columns() -> None:
    found = refused("unit," + ",".join(f"c{place}" for place in range(3_000)) + "\n")
    assert len([fault for fault in found if "the rubric does not read this column" in fault]) == 1_000


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    inputs = json.loads((DATA / "golden_example.json").read_text(encoding="utf-8"))["inputs"]
    path = tmp_path / "table.csv"
    path.write_text(
        f"unit,{','.join(inputs)}\nG,{','.join(value or '' for value in inputs.values())}\n", encoding="utf-8"
    )
    return path


def test_the_command_writes_the_scores(golden: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = golden.with_name("scores.csv")
    call_command("score_table", DEMO, golden, out=out)
    call_command("score_table", DEMO, golden)
    text = out.read_text(encoding="utf-8")
    assert capfd.readouterr() == (text, "")
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["published"], row["grade"], row["rank"], row["status"]) == ("65.0", "B", "1", "rated")
    assert row["TOTAL"].startswith("65.0391")
    assert len(row) == 1 + 31 + 5
    assert sorted(path.name for path in out.parent.iterdir()) == ["scores.csv", "table.csv"]


def test_the_command_refuses_with_code_2_and_writes_nothing(golden: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = golden.with_name("nothing.csv")
    bad_table, bad_rubric = golden.with_name("bad.csv"), golden.with_name("bad.yaml")
    bad_table.write_text(golden.read_text(encoding="utf-8").replace(",18,", ',"1,000",'), encoding="utf-8")
    bad_rubric.write_text(DEMO.read_text(encoding="utf-8").replace("weight: 2000", "weight: 1999", 1), encoding="utf-8")
    for rules, table, reason in (
        (DEMO, bad_table, f"{bad_table}: row 2, column LO1: '1,000' is not a number such as 1234.5\n"),
        (bad_rubric, golden, f"{bad_rubric}: line 11: TOTAL: the weights add up to 9999, 10000 is needed\n"),
        (DEMO, golden.with_name("absent.csv"), f"{golden.with_name('absent.csv')}: this file cannot be read or"),
    ):
        with pytest.raises(SystemExit) as stopped:
            call_command("score_table", rules, table, out=out)
        assert stopped.value.code == 2
        printed, errors = capfd.readouterr()
        assert printed == ""
        assert reason in errors
    assert not out.exists()
