"""Bad rubrics and bad tables through the real command: a line per fault with its place, code 2, nothing written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from tests.core.tools import ROOT

RUBRIC = """\
rubric: small
version: '1'
weights_sum: 100
root:
  code: TOTAL
  children:
  - code: A
    weight: 40
    value: good / all
    points: {goalposts: [0, 1]}
  - code: B
    weight: 60
    points: {anchors: [[0, 0], [10, 100]]}
grades: [[HIGH, 60], [LOW, 0]]
"""
TABLE = "unit,good,all,B\nx,1,2,3\ny,3,4,5\n"
DEEP = "[" * 2000 + "]" * 2000
CYCLE = "rubric: x\nversion: '1'\nroot: &r\n  code: R\n  children: [*r]\n"
LAUGHS = (
    "rubric: x\nversion: '1'\nroot:\n  code: R\n  children:\n  - &l0 {code: L, weight: 1, points: identity}\n"
    + "".join(
        f"  - &l{n} {{code: N{n}, weight: 1, children: [{', '.join([f'*l{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
    )
)


def swapped(old: str, new: str) -> str:
    """The small rubric with one thing wrong."""
    assert RUBRIC.count(old) == 1
    return RUBRIC.replace(old, new)


BAD_RUBRICS = {
    "weights that do not sum": (swapped("weight: 60", "weight: 59"), "line 5: TOTAL: the weights add up to 99"),
    "weights that are nothing": (swapped("weight: 60", "weight: -60"), "line 12: B: weight: -60 is not a whole number"),
    "a weight that is a fraction": (swapped("weight: 60", "weight: '59.5'"), "line 12: B: weight: 59.5 is not a whole"),
    "a cycle": (CYCLE, "line 3: R: child 1: a cycle: this item contains itself"),
    "aliases that multiply": (LAUGHS, "a rubric may have 5000 items"),
    "a list of a million": (swapped("[[HIGH, 60], [LOW, 0]]", f"[{'x,' * 9000}x]"), "line 14: grades: a list may have"),
    "unsorted anchors": (swapped("[[0, 0], [10, 100]]", "[[10, 0], [0, 100]]"), "line 13: B: points: the values must"),
    "equal anchors": (swapped("[[0, 0], [10, 100]]", "[[1, 0], [1, 100]]"), "line 13: B: points: the values must"),
    "equal goalposts": (swapped("[0, 1]}", "[1, '1.0']}"), "line 10: A: points: the goalposts are equal"),
    "a long formula": (swapped("good / all", "+".join(["good"] * 2000)), "line 9: A: value: column 501: a formula may"),
    "a deep formula": (swapped("good / all", "(" * 1000 + "1" + ")" * 1000), "line 9: A: value: column 501"),
    "a formula of minus signs": (swapped("good / all", "-" * 400 + "good"), "line 9: A: value: column 401: a formula"),
    "a formula that is code": (swapped("good / all", "__import__('os').system('id')"), "line 9: A: value: column 12"),
    "a formula without an end": (swapped("good / all", "min(good,"), "line 9: A: value: column 10: the formula ends"),
    "a number that is not one": (swapped("[[0, 0], [10, 100]]", "[[0, 0], [.nan, 100]]"), "line 13: B: points: '.nan'"),
    "an infinite goalpost": (swapped("[0, 1]}", "[0, .inf]}"), "line 10: A: points: '.inf' is not a decimal number"),
    "wide digits": (swapped("weight: 60", "weight: ６０"), "line 12: B: weight: '６０' is not a decimal number"),
    "a thousand's comma": (swapped("weight: 60", "weight: '6,0'"), "line 12: B: weight: '6,0' is not a decimal number"),
    "an enormous number": (swapped("weight: 60", f"weight: 1{'0' * 99}"), "line 12: B: weight: '1000000000"),
    "a key twice": (swapped("version: '1'", "version: '1'\nversion: '2'"), "line 3: the key 'version' stands twice"),
    "a misspelt key": (
        swapped("points: {goal", "pionts: {goal"),
        "line 10: TOTAL: child 1: the key 'pionts' is not known; did you",
    ),
    "a code twice": (
        swapped("code: B", "code: A"),
        "line 11: TOTAL: child 2: the code A stands twice, first in line 7",
    ),
    "merged keys": (swapped("version: '1'", "version: '1'\n<<: {note: x}"), "line 3: the key '<<' is not known"),
    "a tag": (swapped("version: '1'", "version: !!python/object/apply:os.system [id]"), "line 2: version: a text is"),
    "two documents": (
        RUBRIC + "---\n" + RUBRIC,
        "line 15: this is not YAML: a second document begins here, a rubric is one (column 1)",
    ),
    "nesting": (DEEP, "this is nested too deep to be a rubric"),
    "an open bracket": ("rubric: [", "line 1: this is not YAML"),
    "an unknown anchor": (
        swapped("weight: 60", "weight: *sixty"),
        "line 12: this is not YAML: the anchor 'sixty' is not defined",
    ),
    "a tabulator": (
        swapped("  children:", "\tchildren:"),
        "line 6: this is not YAML: nothing may begin with '\\t' without quotes (column 1)",
    ),
    "a control character": (
        swapped("small", "sm\x07all"),
        "line 1: this is not YAML: this character is not allowed in a text file (column 11)",
    ),
    "an anchor twice": (
        swapped("version: '1'", "version: &one '1'\nnote: &one x"),
        "line 3: this is not YAML: this anchor stands twice (column 7)",
    ),
    "a directive": ("%YAML 3.0\n---\n" + RUBRIC, "line 1: this is not YAML: a rubric needs neither directives nor"),
    "a block that is marked wrongly": (
        swapped("version: '1'", "version: |x"),
        "line 2: this is not YAML: 'x' may not stand here without quotes (column 11)",
    ),
    "an anchor without a name": (
        swapped("version: '1'", "version: &"),
        "line 2: this is not YAML: '\\n' may not stand",
    ),
    "a list that ends in a mapping": (
        "[a: b]\n? e",
        "line 2: this is not YAML: put quotes around special characters and indent alike (expected '<document start>'",
    ),
    "another encoding": (RUBRIC.replace("small", "北").encode("gb18030"), "the file is not UTF-8 (byte 9)"),
    "UTF-16": (RUBRIC.encode("utf-16"), "the file is not UTF-8 (byte 1)"),
    "an empty file": ("", "the rubric is empty"),
    "a list": ("- a\n- b\n", "line 1: rubric: a mapping is needed, this is a list"),
    "too large a file": ("#" * 1_000_001, "a rubric may have 1000000 characters"),
}
CHINESE = re.compile("[一-鿿]")
BAD_TABLES = {
    "an empty table": ("", "the table is empty"),
    "a header alone": ("unit,good,all,B\n", "the table has a header and no rows"),
    "an unknown column": (
        "unit,good,all,B,bda\nx,1,2,3,4\n",
        "row 1, column bda: the rubric does not read this column",
    ),
    "a lacking column": (
        "unit,good,B\nx,1,2\n",
        "row 1, column A: the column is missing, or those it is computed from",
    ),
    "a column twice": ("unit,good,all,B,B\nx,1,2,3,4\n", "row 1, column B: the column stands twice"),
    "no subjects": ("name,good,all,B\nx,1,2,3\n", "row 1, column unit: this column names the subjects and is missing"),
    "a unit twice": (TABLE + "x,1,2,3\n", "row 4, column unit: 'x' stands twice, first in row 2"),
    "a unit without a name": (TABLE + " ,1,2,3\n", "row 4, column unit: the subject has no name"),
    "a short row": (TABLE + "z,1,2\n", "row 4: 3 cells, the header has 4"),
    "a long row": (TABLE + "z,1,2,3,4\n", "row 4: 5 cells, the header has 4"),
    "a thousand's comma": (TABLE + 'z,"1,000",2,3\n', "row 4, column good: '1,000' is not a number"),
    "wide digits": (TABLE + "z,１２,2,3\n", "row 4, column good: '１２' is not a number"),
    "no number": (TABLE + "z,1,nan,3\n", "row 4, column all: 'nan' is not a number"),
    "infinity": (TABLE + "z,1,2,Infinity\n", "row 4, column B: 'Infinity' is not a number"),
    "a number with a sign of its own": (TABLE + "z,1,2,1_000\n", "row 4, column B: '1_000' is not a number"),
    "an exponent beyond reason": (TABLE + "z,1,2,1e400\n", "row 4, column B: '1e400' is not a number"),
    "a cell without an end": (TABLE + 'z,"1,2,3\n', "row 4: this is not CSV: a quotation mark is not closed"),
    "a quote in a cell": (TABLE + 'z,"1"0,2,3\n', "row 4: this is not CSV"),
    "a cell of a million": (
        TABLE + f"z,1,2,{'9' * 1_000_000}\n",
        "row 4: this is not CSV: a cell is too long",
    ),
    "a zero byte": (TABLE + "z,1,\0,3\n", "row 4, column all: '\0' is not a number"),
    "semicolons": (TABLE.replace(",", ";"), "row 1, column unit: this column names the subjects and is missing"),
    "another encoding": (TABLE.encode() + "北,1,2,3\n".encode("gb18030"), "row 4: this is not UTF-8 (byte 0xb1)"),
    "UTF-16": (TABLE.encode("utf-16"), "row 1: this is not UTF-8 (byte 0xff)"),
    "a spreadsheet": (b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\n", "row 1: this is not UTF-8 (byte 0xff)"),
}


def refused(folder: Path, capfd: pytest.CaptureFixture[str], rubric: str | bytes, table: str | bytes) -> list[str]:
    """Score a table that must be refused, and return the faults; nothing may be written, not even over a file."""
    rules, rows, out = folder / "rules.yaml", folder / "rows.csv", folder / "scores.csv"
    rules.write_bytes(rubric if isinstance(rubric, bytes) else rubric.encode())
    rows.write_bytes(table if isinstance(table, bytes) else table.encode())
    out.write_text("what stood here before", encoding="utf-8")
    for target in (out, None):
        with pytest.raises(SystemExit) as stopped:
            call_command("score_table", rules, rows, out=target)
        assert stopped.value.code == 2
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert "Traceback" not in errors
    assert out.read_text(encoding="utf-8") == "what stood here before"
    assert sorted(path.name for path in folder.iterdir()) == ["rows.csv", "rules.yaml", "scores.csv"]
    return errors.splitlines()


@pytest.mark.parametrize("name", BAD_RUBRICS)
def test_a_bad_rubric_is_refused(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rubric, reason = BAD_RUBRICS[name]
    faults = refused(tmp_path, capfd, rubric, TABLE)
    assert any(fault.startswith(f"{tmp_path / 'rules.yaml'}: ") and reason in fault for fault in faults), faults[:5]


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_refused(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table, reason = BAD_TABLES[name]
    faults = refused(tmp_path, capfd, RUBRIC, table)
    assert any(fault.startswith(f"{tmp_path / 'rows.csv'}: ") and reason in fault for fault in faults), faults[:5]


def test_every_refusal_is_said_in_chinese_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules, rows = tmp_path / "rules.yaml", tmp_path / "rows.csv"
    bare = []
    for rubric, table in [
        *((rubric, TABLE) for rubric, _ in BAD_RUBRICS.values()),
        *((RUBRIC, table) for table, _ in BAD_TABLES.values()),
    ]:
        rules.write_bytes(rubric if isinstance(rubric, bytes) else rubric.encode())
        rows.write_bytes(table if isinstance(table, bytes) else table.encode())
        with pytest.raises(SystemExit):
            call_command("score_table", rules, rows, language="zh-hans")
        lines = capfd.readouterr().err.splitlines()
        bare += [line for line in lines if not CHINESE.search(re.sub("第 [0-9]+ 行|[^，：]* 列：", "", line))]
    assert bare == []


def test_a_total_that_cannot_be_published_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rubric = RUBRIC.replace("{anchors: [[0, 0], [10, 100]]}", "{identity: true, clamp: false}")
    (fault, *_) = refused(tmp_path, capfd, rubric, TABLE + "z,1,2,1e99\n")
    assert fault == f"{tmp_path / 'rows.csv'}: column TOTAL: the total of 'z' is too large to be published"


def test_division_by_zero_is_no_fault(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules, rows = tmp_path / "rules.yaml", tmp_path / "rows.csv"
    rules.write_text(RUBRIC, encoding="utf-8")
    rows.write_text(TABLE + "z,1,0,5\n", encoding="utf-8")
    call_command("score_table", rules, rows)
    assert capfd.readouterr().out.splitlines()[-1] == "z,50,,50,50.0,LOW,2,rated,reweighted:TOTAL"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rules, rows = tmp_path / "rules.yaml", tmp_path / "rows.csv"
    rules.write_text(RUBRIC, encoding="utf-8")
    rows.write_text(TABLE, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for out, reason in (
        (tmp_path / "absent" / "scores.csv", "No such file or directory"),
        (tmp_path / "folder", "Is a directory"),
    ):
        with pytest.raises(SystemExit) as stopped:
            call_command("score_table", rules, rows, out=out)
        assert stopped.value.code == 2
        assert capfd.readouterr() == ("", f"{out}: this file cannot be read or written ({reason})\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "rows.csv", "rules.yaml"]


def test_the_process_itself_leaves_with_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "score_table", tmp_path / "absent.yaml", tmp_path / "absent.csv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == f"{tmp_path / 'absent.yaml'}: this file cannot be read or written (No such file or directory)\n"
    )
