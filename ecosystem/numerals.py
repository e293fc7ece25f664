"""Numbers as people read them, from integers and exact decimals, half-up, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from django.utils.translation import get_language

Number = int | Decimal | Fraction | float | str

MINUS = "−"
# (from this size on, decimals, unit) – the first row whose rounded value still reaches its size is used.
Scale = tuple[int, int, int, str]

# Sizes in fen: at least, one unit in fen, decimals, unit.
MONEY_ZH: Sequence[Scale] = (
    (10_000_000_000, 10_000_000_000, 2, "亿元"),
    (1_000_000_000, 1_000_000, 0, "万元"),
    (100_000_000, 1_000_000, 1, "万元"),
    (1_000_000, 1_000_000, 2, "万元"),
    (0, 100, 2, "元"),
)
MONEY_EN: Sequence[Scale] = (
    (100_000_000_000, 100_000_000_000, 2, " billion"),
    (1_000_000_000, 100_000_000, 1, " million"),
    (100_000_000, 100_000_000, 2, " million"),
    (0, 100, 2, ""),
)
COUNT_ZH: Sequence[Scale] = (
    (100_000_000, 100_000_000, 2, "亿"),
    (10_000_000, 10_000, 0, "万"),
    (1_000_000, 10_000, 1, "万"),
    (10_000, 10_000, 2, "万"),
    (0, 1, 0, ""),
)
COUNT_EN: Sequence[Scale] = (
    (1_000_000_000, 1_000_000_000, 2, " billion"),
    (10_000_000, 1_000_000, 1, " million"),
    (1_000_000, 1_000_000, 2, " million"),
    (0, 1, 0, ""),
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_chinese(language: str | None = None) -> bool:
    """Tell whether the language (the active one by default) is Chinese."""
    return (language or get_language() or "zh-hans").startswith("zh")


def exact(value: Number) -> Fraction:
    """Return the value without loss; a float counts as the decimal it prints as."""
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


def rounded(value: Number, decimals: int) -> Decimal:
    """Round half-up (away from zero) to so many decimals."""
    scaled = exact(value) * 10**decimals
    units = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    size = Decimal(units).scaleb(-decimals)
    return -size if scaled < 0 and units else size


def grouped(value: Decimal, decimals: int, *, plus: bool = False) -> str:
    """Write a rounded decimal with thousands separators and a true minus sign."""
    size = f"{abs(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):,f}"
    sign = MINUS if value < 0 else "+" if plus and value > 0 else ""
    return sign + size


def scaled(value: int, scales: Sequence[Scale], *, plus: bool = False) -> tuple[str, str]:
    """Write a size in the largest unit it fills after rounding: (number, unit)."""
    for position, (at_least, unit, decimals, _) in enumerate(scales):
        reading = rounded(Fraction(abs(value), unit), decimals)
        if abs(value) < at_least:
            continue
        # 9,999.9万 rounds to 10,000万, which reads 1.00亿: take the coarser row when the rounded size reaches it.
        chosen = scales[position - 1] if position and reading * unit >= scales[position - 1][0] else scales[position]
        break
    _, unit, decimals, name = chosen
    return grouped(rounded(Fraction(value, unit), decimals), decimals, plus=plus), name


def money_text(fen: int, language: str | None = None, *, plus: bool = False) -> str:
    """Write fen as 1.24亿元, 3,250万元, 860.50元; in English as RMB 124.0 million."""
    if is_chinese(language):
        return "".join(scaled(fen, MONEY_ZH, plus=plus))
    number, unit = scaled(fen, MONEY_EN, plus=plus)
    sign = number[0] if number[0] in f"{MINUS}+" else ""
    return f"{sign}RMB {number.removeprefix(sign)}{unit}"


def yuan_text(fen: int, *, plus: bool = False) -> str:
    """Write fen as whole yuan with two decimals and separators, without a unit: 3,250,000.00."""
    return grouped(Decimal(fen).scaleb(-2), 2, plus=plus)


def count_text(value: int, language: str | None = None, *, plus: bool = False) -> str:
    """Write a count as 1.24亿, 3,250万, 8,605; in English as 124.0 million."""
    return "".join(scaled(value, COUNT_ZH if is_chinese(language) else COUNT_EN, plus=plus))


def decimal_text(value: Number, decimals: int, *, plus: bool = False) -> str:
    """Write a number with a fixed count of decimals."""
    return grouped(rounded(value, decimals), decimals, plus=plus)


def percent_text(share: Number, decimals: int = 1, *, plus: bool = False) -> str:
    """Write a share (0.123) as 12.3%."""
    return f"{decimal_text(exact(share) * 100, decimals, plus=plus)}%"


def day_text(day: date, language: str | None = None) -> str:
    """Write a day as 2022年6月30日; in English as 30 Jun 2022."""
    if is_chinese(language):
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
