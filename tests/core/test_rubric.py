"""Rubrics as data: what is read, what is refused with line and reason, and what is written back."""

import re
from typing import Any

import pytest
import yaml

from scoring.core.formula import Measure
from scoring.core.reader import load
from scoring.core.rubric import RubricError
from tests.core.tools import DEMO, ROOT, demo

SMALL = """\
rubric: small
version: v1
scale: 100
published_decimals: 1
weights_sum: 100
needs_capabilities: 1
root:
  code: TOTAL
  children:
  - code: CAP
    weight: 100
    needs: '0.5'
    children:
    - code: A
      weight: 60
      value: good / all
      window: 90d
      points: {anchors: [[0, 0], [1, 100]]}
      sample: {count: all, at_least: 20, shrink_to: 60, insufficient_below: '0.2'}
    - code: B
      weight: 40
      value: last(stock)
      points: {goalposts: [10, 2]}
grades: [[A, 70], [B, 0]]
floors: [{grade: A, every_capability_at_least: 50, else: one_grade_lower}]
gates: [{when: last(stock) > 9, then: {highest_grade: B}}]
profiles: {MCN: {CAP: 100}}
"""
CATALOGUE = {
    "good": Measure("flow", "orders"),
    "all": Measure("flow", "orders"),
    "stock": Measure("stock", "skus"),
}


def refusals(text: str | bytes | dict[str, Any]) -> list[tuple[int | None, str]]:
    with pytest.raises(RubricError) as refused:
        load(text, measures=CATALOGUE)
    assert str(refused.value).count("\n") + 1 == len(refused.value.faults)
    return [(fault.line, f"{fault.where}: {fault.reason}") for fault in refused.value.faults]


def test_the_small_rubric_is_read() -> None:
    rubric = load(SMALL, measures=CATALOGUE)
    assert [leaf.code for leaf in rubric.leaves()] == ["A", "B"]
    assert list(map(str, rubric.operands())) == ["all[90d]", "good[90d]", "last(stock)"]


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("weight: 60", "weight: 61", 10, "CAP: the weights add up to 101, 100 is needed"),
        ("weight: 60", "weight: -1", 15, "A: weight: -1 is not a whole number"),
        ("weight: 60", "weight: sixty", 15, "'sixty' is not a decimal number"),
        ("[[0, 0], [1, 100]]", "[[1, 0], [0, 100]]", 18, "A: points: the values must ascend, 1 stands before 0"),
        ("[[0, 0], [1, 100]]", "[[0, 0]]", 18, "at least 2 pairs"),
        ("[[0, 0], [1, 100]]", "[[0, 0], [1, 101]]", 18, "points run from 0 to 100"),
        ("[[0, 0], [1, 100]]", "[[0, nan], [.inf, 100]]", 18, "'nan' is not a decimal number"),
        ("anchors: [[0, 0], [1, 100]]", "anchors: [[0, 0], [1, 100]], interpolate: log", 18, "must be above 0"),
        ("anchors: [[0, 0], [1, 100]]", "identity: true, steps: [[0, 0]]", 18, "exactly one of"),
        ("goalposts: [10, 2]", "goalposts: [2, 2]", 23, "B: points: the goalposts are equal (2, 2)"),
        ("good / all", "god / all", 16, "no measure 'god'; did you mean 'good'?"),
        ("good / all", "good > all", 16, "a number is needed, this gives a boolean"),
        ("good / all", "good / all +", 16, "ends too early"),
        ("good / all", "good + last(stock)", 16, "brings together orders and skus"),
        ("window: 90d", "window: 3 months", 17, "'3 months' is not a window"),
        ("      window: 90d\n", "", 14, "a window such as 90d is needed"),
        ("code: B\n", "code: A\n", 20, "the code A stands twice, first in line 14"),
        ("code: B\n", "code: Ü b\n", 20, "is not a code"),
        ("needs: '0.5'", "needz: '0.5'", 12, "the key 'needz' is not known; did you mean 'needs'?"),
        ("needs: '0.5'", "needs: '1.5'", 12, "is not a share"),
        ("needs: '0.5'", "needs: '0.5'\n    needs: '0.6'", 13, "the key 'needs' stands twice"),
        ("needs: '0.5'", "aggregate: wieghted_mean", 12, "did you mean 'weighted_mean'?"),
        ("at_least: 20", "at_least: 0", 19, "at_least must be above 0"),
        ("shrink_to: 60", "shrink_to: 160", 19, "shrink_to must lie between 0 and 100"),
        ("[[A, 70], [B, 0]]", "[[B, 0], [A, 70]]", 24, "grades stand best first"),
        ("[[A, 70], [B, 0]]", "[[A, 70], [A, 0]]", 24, "the grade A stands twice"),
        ("highest_grade: B", "highest_grade: C", 26, "there is no grade 'C'"),
        ("when: last(stock) > 9", "when: last(stock)", 26, "a boolean is needed"),
        ("{MCN: {CAP: 100}}", "{MCN: {CAP: 90}}", 27, "profile MCN: the weights add up to 90, 100 is needed"),
        ("{MCN: {CAP: 100}}", "{MCN: {COP: 100}}", 27, "the key 'COP' is not known; did you mean 'CAP'?"),
        ("version: v1\n", "", 1, "'version' is needed"),
        ("root:\n", "root: []\nother:\n", 7, "a mapping is needed, this is a list"),
        ("needs_capabilities: 1", "needs_capabilities: 2", 6, "2 is not a whole number between 0 and 1"),
        ("scale: 100", "scale: 0", 3, "the scale must be above 0"),
    ],
)
def test_every_refusal_names_its_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert SMALL.count(old) >= 1
    found = refusals(SMALL.replace(old, new, 1))
    assert any(where == line and reason in what for where, what in found), found


def test_all_faults_are_found_in_one_go() -> None:
    broken = SMALL.replace("weight: 60", "weight: 61").replace("[10, 2]", "[2, 2]").replace("good / all", "god / all")
    assert [line for line, _ in refusals(broken)] == [10, 16, 23]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "the rubric is empty"),
        ("rubric: [", "this is not YAML"),
        (b"rubric: \xff", "not UTF-8 (byte 9)"),
        ("[" * 1200, "nested too deep"),
        ("rubric: x\nversion: 1\nroot: &r\n  code: R\n  children: [*r]\n", "a cycle: this item contains itself"),
        ("x" * 1_000_001, "1000000 characters"),
        ("- a", "a mapping is needed"),
    ],
)
def test_sources_that_are_no_rubric(source: str | bytes, reason: str) -> None:
    assert any(reason in what for _, what in refusals(source))


def test_a_dictionary_that_contains_itself_is_a_cycle() -> None:
    node: dict[str, Any] = {"code": "R", "weight": 1}
    node["children"] = [node]
    assert any("a cycle" in what for _, what in refusals({"rubric": "x", "version": "1", "root": node}))


def test_aliases_cannot_blow_a_rubric_up() -> None:
    text = "rubric: x\nversion: 1\nroot:\n  code: R\n  children:\n"
    text += "  - &l0 {code: L, weight: 1, points: identity}\n"
    for level in range(1, 30):
        text += f"  - &l{level} {{code: N{level}, weight: 1, children: [*l{level - 1}, *l{level - 1}]}}\n"
    assert any("5000 items" in what for _, what in refusals(text))


@pytest.mark.parametrize("source", [SMALL, DEMO.read_text(encoding="utf-8")])
def test_yaml_json_and_back(source: str) -> None:
    rubric = load(source)
    for same in (load(rubric.to_yaml()), load(rubric.to_dict()), load(yaml.safe_load(source))):
        assert same == rubric
        assert same.digest == rubric.digest


def test_the_digest_ignores_layout_and_sees_content() -> None:
    assert load(SMALL.replace("weight: 60", "weight: '60'  # more than half")).digest == load(SMALL).digest
    assert load(SMALL.replace("[1, 100]", "[1, 99]")).digest != load(SMALL).digest


def test_the_default_rubric_reads_the_catalogue_it_is_meant_for() -> None:
    listed = yaml.safe_load((ROOT / "providers" / "catalogue" / "measures.yaml").read_text(encoding="utf-8"))[
        "measures"
    ]
    catalogue = {item["code"]: Measure(item["kind"], item["unit"], item.get("scored", True)) for item in listed}
    rubric = load(DEMO.read_bytes(), measures=catalogue)
    assert rubric == demo()
    assert len(rubric.leaves()) == 25
    assert len(rubric.capabilities) == 5
    assert sorted(rubric.profiles) == ["BELT", "BRAND", "LOCAL_MERCHANT", "MCN", "SUPPLY", "TRAINING"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in [rubric.digest])
