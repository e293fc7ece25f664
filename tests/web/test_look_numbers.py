"""Numbers as people read them: units, boundaries, half-up, both languages."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from ecosystem import charts, numerals


@pytest.mark.parametrize(
    ("fen", "zh", "en"),
    [
        (0, "0.00元", "RMB 0.00"),
        (1, "0.01元", "RMB 0.01"),
        (86_050, "860.50元", "RMB 860.50"),
        (999_999, "9,999.99元", "RMB 9,999.99"),
        (1_000_000, "1.00万元", "RMB 10,000.00"),
        (1_005_000, "1.01万元", "RMB 10,050.00"),
        (1_004_999, "1.00万元", "RMB 10,049.99"),
        (99_994_999, "99.99万元", "RMB 999,949.99"),
        (99_995_000, "100.0万元", "RMB 999,950.00"),
        (99_999_999, "100.0万元", "RMB 999,999.99"),
        (100_000_000, "100.0万元", "RMB 1.00 million"),
        (999_949_999, "999.9万元", "RMB 10.0 million"),
        (999_950_000, "1,000万元", "RMB 10.0 million"),
        (3_250_000_000, "3,250万元", "RMB 32.5 million"),
        (9_999_499_999, "9,999万元", "RMB 100.0 million"),
        (9_999_500_000, "1.00亿元", "RMB 100.0 million"),
        (12_400_000_000, "1.24亿元", "RMB 124.0 million"),
        (99_995_000_000, "10.00亿元", "RMB 1.00 billion"),
        (99_994_999_999, "10.00亿元", "RMB 999.9 million"),
        (100_000_000_000, "10.00亿元", "RMB 1.00 billion"),
        (12_345_678_901_234, "1,234.57亿元", "RMB 123.46 billion"),
        (-86_050, "−860.50元", "−RMB 860.50"),
        (-12_400_000_000, "−1.24亿元", "−RMB 124.0 million"),
        (-9_999_500_000, "−1.00亿元", "−RMB 100.0 million"),
    ],
)
def test_money(fen: int, zh: str, en: str) -> None:
    assert numerals.money_text(fen, "zh-hans") == zh
    assert numerals.money_text(fen, "en") == en


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (0, "0", "0"),
        (9_999, "9,999", "9,999"),
        (10_000, "1.00万", "10,000"),
        (999_949, "99.99万", "999,949"),
        (999_950, "100.0万", "999,950"),
        (32_500_000, "3,250万", "32.5 million"),
        (99_995_000, "1.00亿", "100.0 million"),
        (124_000_000_000, "1,240.00亿", "124.00 billion"),
        (-10_000, "−1.00万", "−10,000"),
    ],
)
def test_count(value: int, zh: str, en: str) -> None:
    assert numerals.count_text(value, "zh-hans") == zh
    assert numerals.count_text(value, "en") == en


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Decimal("65.05"), 1, "65.1"),
        (Decimal("65.049999"), 1, "65.0"),
        (Fraction(1, 3), 2, "0.33"),
        (0.15, 1, "0.2"),
        (2.675, 2, "2.68"),
        (Decimal("-0.05"), 1, "−0.1"),
        (Decimal("-0.04"), 1, "0.0"),
        ("1234.5", 0, "1,235"),
    ],
)
def test_decimals_round_half_up_and_zero_has_no_sign(value: numerals.Number, decimals: int, text: str) -> None:
    assert numerals.decimal_text(value, decimals) == text


def test_signs() -> None:
    assert numerals.decimal_text(Decimal("3.1"), 1, plus=True) == "+3.1"
    assert numerals.decimal_text(0, 1, plus=True) == "0.0"
    assert numerals.money_text(5_000_000, "en", plus=True) == "+RMB 50,000.00"
    assert numerals.money_text(5_000_000, "zh-hans", plus=True) == "+5.00万元"
    assert numerals.percent_text(Decimal("0.1235")) == "12.4%"
    assert numerals.yuan_text(-325_000_050) == "−3,250,000.50"


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_money_keeps_the_order(first: int, second: int) -> None:
    sizes = {"": 100, "万": 10**6, "亿": 10**10}

    def back(text: str) -> Fraction:
        number = text.removesuffix("元")
        unit = number[-1] if number[-1] in "万亿" else ""
        return Fraction(number.removesuffix(unit).replace(",", "")) * sizes[unit]

    low, high = sorted((first, second))
    assert back(numerals.money_text(low, "zh-hans")) <= back(numerals.money_text(high, "zh-hans"))
    # Never off by more than half of the last digit shown: at most 5 in a thousand from 1万 on.
    assert abs(back(numerals.money_text(low, "zh-hans")) - low) <= max(Fraction(low, 200), Fraction(1, 2))


def rendered(text: str, language: str = "en", **context: object) -> str:
    with translation.override(language):
        return Template(text).render(Context(context))


def test_nothing_is_not_zero() -> None:
    for name in (
        "money",
        "yuan",
        "count",
        "whole",
        "points",
        "percent",
        "signed",
        "signed_money",
        "signed_count",
        "day",
        "moment",
    ):
        html = rendered("{{ x|" + name + " }}", x=None)
        assert "—" in html
        assert "no data" in html
    assert rendered("{{ x|points }}", x=Decimal(0)) == "0.0"
    assert rendered("{{ x|money }}", x=0) == "RMB 0.00"


def test_days_and_names() -> None:
    assert rendered("{{ d|day }}", d=date(2022, 6, 30)) == "30 Jun 2022"
    assert rendered("{{ d|day }}", "zh-hans", d=date(2022, 6, 30)) == "2022年6月30日"
    assert rendered("{{ d }}", d=date(2022, 6, 30)) == "30 Jun 2022"  # as in the admin
    assert rendered("{{ d }}", "zh-hans", d=date(2022, 6, 30)) == "2022年6月30日"
    names = {"zh-hans": "供应链", "en": "Supply chain"}
    assert rendered("{{ n|bilingual }}", n=names) == "Supply chain"
    assert rendered("{{ n|bilingual }}", "zh-hans", n=names) == "供应链"
    assert rendered("{{ n|bilingual }}", n={"zh-hans": "供应链"}) == "供应链"


def test_query_keeps_what_was_chosen(rf: RequestFactory) -> None:
    text = Template("{% with_query after=x grade=None %}").render(
        Context({"request": rf.get("/?grade=A&province=33&after=1"), "x": 7})
    )
    assert text == "?province=33&amp;after=7"


def test_line_chart_breaks_where_nothing_was_measured() -> None:
    days = [date(2022, 6, number) for number in range(1, 8)]
    values = [Decimal(60), Decimal(61), None, Decimal(64), Decimal(63), Decimal(65), Decimal(66)]
    chart = charts.line(list(zip(days, values, strict=True)), low=0, high=100, unit="points", decimals=1)
    assert chart is not None
    assert [len(path.split()) for path in chart.paths] == [2, 4]
    assert len(chart.marks) == 6
    assert chart.rows[4] == (days[2], None)
    assert chart.rows[0] == (days[-1], "66.0")
    assert [level.text for level in chart.levels] == ["0.0", "20.0", "40.0", "60.0", "80.0", "100.0"]


@pytest.mark.parametrize("value", [0, 5, -3, 10**12])
def test_a_flat_history_can_be_drawn(value: int) -> None:
    chart = charts.line([(date(2022, 6, 1), value)], low=None, high=None, unit="money", decimals=0)
    assert chart is not None
    assert len(chart.marks) == 1
    assert chart.left <= chart.marks[0].x <= chart.right


def test_charts_carry_no_inline_style() -> None:
    series = [(date(2022, 6, 1), Decimal("61.2")), (date(2022, 6, 2), None), (date(2022, 6, 3), Decimal("64.8"))]
    items = [("Live operations", Decimal("66.0")), ("Supply chain", None), ("Traffic", Decimal("62.2"))]
    html = rendered(
        "{% line_chart s caption='Total' %}{% bar_chart i caption='Five' %}{% radar_chart i caption='Five' %}",
        s=series,
        i=items,
    )
    assert "style=" not in html
    assert "<script" not in html
    assert html.count("<caption") == 2
    assert "not rated" in html
    assert rendered("{% line_chart s caption='Total' %}", s=[(date(2022, 6, 1), None)]).count("<svg") == 0
