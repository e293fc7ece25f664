"""The worked example of docs/method.md, line by line, against the core."""

import math
import re
from decimal import Decimal
from fractions import Fraction

from scoring.core.decompose import Split, split
from scoring.core.explain import trace
from scoring.core.path import to_next_grade
from scoring.core.score import exact_points, score
from tests.core.test_golden import GOLDEN, golden_inputs
from tests.core.tools import ROOT, demo, given, leaf, rubric

PAGE = (ROOT / "docs" / "method.md").read_text(encoding="utf-8").replace("−", "-")
FOUR = Decimal("0.0001")
LINE = re.compile(r"^\| ([A-Z]{2}\d) \| (\S+) \| (.+?) \| (.+?) \| (\S+) \| (\d+) \|$", re.MULTILINE)
LINEAR = re.compile(r"(\S+) \+ \((\S+) - (\S+)\) ÷ (\S+) · (\S+)")
LOGARITHMIC = re.compile(r"(\S+) \+ ln\((\S+) ÷ (\S+)\) ÷ ln\((\S+) ÷ (\S+)\) · (\S+)")
SUM = re.compile(r"^\((.+)\) ÷ (\d+) = \*\*([\d.]+)\*\*$", re.MULTILINE)


def worked(text: str) -> float:
    """Follow a line with a calculator."""
    if found := LINEAR.fullmatch(text):
        base, value, start, width, rise = (Fraction(part) for part in found.groups())
        return float(base + (value - start) / width * rise)
    found = LOGARITHMIC.fullmatch(text)
    assert found, text
    lowest, reached, first, last, again, gain = map(float, found.groups())
    assert again == first
    return lowest + math.log(reached / first) / math.log(last / first) * gain


def test_every_line_leads_to_the_points_of_the_core() -> None:
    points = exact_points(demo(), golden_inputs())
    lines = {code: rest for code, *rest in LINE.findall(PAGE)}
    leaves = {leaf.code: leaf for leaf in demo().leaves()}
    assert set(lines) == set(leaves)
    for code, (value, anchors, working, printed, weight) in lines.items():
        assert int(weight) == leaves[code].weight
        assert value == (GOLDEN["inputs"][code] or "–"), code
        if value == "–":
            assert (printed, points[code]) == ("–", [None])
            continue
        ends = [pair.split(" → ") for pair in anchors.split(", ")]
        known = leaves[code].points.anchors  # type: ignore[union-attr]
        assert {(Fraction(x), Fraction(y)) for x, y in ends} <= set(known), code
        assert Decimal(str(worked(working))).quantize(FOUR) == Decimal(printed), code
        assert Decimal(points[code][0] or "").quantize(FOUR) == Decimal(printed), code


def test_the_sums_lead_to_the_published_number() -> None:
    points = exact_points(demo(), golden_inputs())
    sums = SUM.findall(PAGE)
    assert [total for _, _, total in sums] == list(GOLDEN["capabilities"].values())
    for (products, weight, total), capability in zip(sums, demo().capabilities, strict=True):
        pairs = [product.split(" · ") for product in products.split(" + ")]
        mean = sum(Decimal(share) * Decimal(number) for share, number in pairs) / int(weight)
        assert abs(mean - Decimal(total)) <= FOUR
        assert Decimal(points[capability.code][0] or "").quantize(FOUR) == Decimal(total)
    assert f"= **{GOLDEN['total_4dp']}**" in PAGE
    scores = score(demo(), golden_inputs())
    assert (f"**{scores.published(0)}**", f"**{scores.grade_code(0)}**") == ("**65.0**", "**B**")
    assert "**65.0**" in PAGE
    assert "**B**" in PAGE


def test_every_formula_of_the_default_rubric_stands_on_the_page() -> None:
    for one in demo().leaves():
        assert one.applies_when is not None
        assert one.sample is not None
        cells = (f"`{one.code}`", f"`{one.value.text}`", one.unit, str(one.window))
        formulas = (f"`{one.applies_when.text}`", f"`{one.sample.count.text}`")
        assert f"| {' | '.join((*cells, *formulas))} |".replace("−", "-") in PAGE, one.code


def test_the_small_examples_come_out_of_the_core() -> None:
    for text in ("0.510", "2.8364", "1.1636", "2248", "2752", "1250", "13750", "84.9375", "43.75"):
        assert f"**{text}**" in PAGE
    line = trace(demo(), golden_inputs(), golden_inputs().subjects[0]).line("LO1")
    assert Decimal(float(line.contribution)).quantize(FOUR) == Decimal("2.8364")
    assert Decimal(float(line.headroom)).quantize(FOUR) == Decimal("1.1636")
    assert split((100, 10_000), (120, 15_000)) == Split("lmdi", (2248, 2752))
    assert split((100, 0), (120, 15_000)) == Split("shapley", (1250, 13_750))
    rules = rubric(leaf("HEAVY", 8), leaf("L1"), leaf("L2"), grades=[["HIGH", 70], ["LOW", 0]])
    (change,) = to_next_grade(rules, given(["x"], HEAVY=[10], L1=[10], L2=[10]), "x").mix
    assert (change.code, change.needed, str(change.published)) == ("HEAVY", Fraction("84.9375"), "70.0")
    drawn = rubric(leaf("X", 875), leaf("Y", 1125))
    assert exact_points(drawn, given(["x"], X=[100], Y=[0]))["TOTAL"] == ["43.75"]
