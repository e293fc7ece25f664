"""Template filters and tags that every page of the portal may use without loading them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.db.models import Model
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select
from django.http import QueryDict
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ecosystem import charts, notices, numerals
from ecosystem.models import Notice

register = template.Library()


def missing() -> SafeString:
    """Return a dash that is read out as "no data"; null is not zero."""
    return format_html(
        '<span class="missing"><span aria-hidden="true">—</span><span class="visually-hidden">{}</span></span>',
        _("no data"),
    )


@register.filter
def money(fen: int | None) -> str:
    """Write fen: 1.24亿元, 3,250万元, 860.50元; RMB 124.0 million in English."""
    return missing() if fen is None else numerals.money_text(int(fen))


@register.filter
def signed_money(fen: int | None) -> str:
    """Write a difference in fen with its sign."""
    return missing() if fen is None else numerals.money_text(int(fen), plus=True)


@register.filter
def yuan(fen: int | None) -> str:
    """Write fen as full yuan without a unit (the column's heading names it): 3,250,000.00."""
    return missing() if fen is None else numerals.yuan_text(int(fen))


@register.filter
def count(value: int | None) -> str:
    """Write a count in 万 or 亿; impressions above all."""
    return missing() if value is None else numerals.count_text(int(value))


@register.filter
def signed_count(value: int | None) -> str:
    """Write a difference of counts with its sign."""
    return missing() if value is None else numerals.count_text(int(value), plus=True)


@register.filter
def whole(value: int | None) -> str:
    """Write a whole number in full, with separators."""
    return missing() if value is None else numerals.decimal_text(value, 0)


@register.filter
def points(value: numerals.Number | None, decimals: int = 1) -> str:
    """Write points, 0–100, half-up."""
    return missing() if value in (None, "") else numerals.decimal_text(value, decimals)


@register.filter
def percent(share: numerals.Number | None, decimals: int = 1) -> str:
    """Write a share (0.123) as 12.3%."""
    return missing() if share in (None, "") else numerals.percent_text(share, decimals)


@register.filter
def signed(value: numerals.Number | None, decimals: int = 1) -> str:
    """Write a difference with its sign."""
    return missing() if value in (None, "") else numerals.decimal_text(value, decimals, plus=True)


@register.filter
def day(value: date | None) -> str:
    """Write a day: 2022年6月30日, 30 Jun 2022."""
    return missing() if value is None else numerals.day_text(value)


@register.filter
def moment(value: datetime | None) -> str:
    """Write a time of day with its day, Shanghai time."""
    if value is None:
        return missing()
    local = timezone.localtime(value)
    return f"{numerals.day_text(local.date())} {local:%H:%M}"


@register.filter
def bilingual(thing: Any, field: str = "name") -> str:
    """Pick the reader's language from {zh-hans, en} or from an object with name_zh and name_en."""
    first, second = ("zh-hans", "en") if numerals.is_chinese() else ("en", "zh-hans")
    if isinstance(thing, Mapping):
        return str(thing.get(first) or thing.get(second) or "")
    suffixes = {"zh-hans": "zh", "en": "en"}
    if isinstance(thing, Model) or hasattr(thing, f"{field}_zh"):
        return str(getattr(thing, f"{field}_{suffixes[first]}") or getattr(thing, f"{field}_{suffixes[second]}"))
    return "" if thing is None else str(thing)


@register.filter
def notice_text(notice: Notice) -> str:
    """Return a notice's sentence in the reader's language."""
    return notices.sentence(notice)


@register.filter
def lookup(mapping: Mapping[Any, Any] | None, key: Any) -> Any:
    """Return the mapping's value at a key that is itself a variable; None when absent."""
    return None if mapping is None else mapping.get(key)


@register.filter
def control(field: BoundField) -> SafeString:
    """Render a bound field's widget with the look of its kind and its error state."""
    widget = field.field.widget
    if isinstance(widget, CheckboxSelectMultiple | RadioSelect):
        return field.as_widget()
    kind = (
        "form-check-input"
        if isinstance(widget, CheckboxInput)
        else "form-select"
        if isinstance(widget, Select)
        else "form-control"
    )
    # The label says it already; a placeholder would only repeat it in grey.
    return field.as_widget(attrs={"class": f"{kind} is-invalid" if field.errors else kind, "placeholder": False})


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Tell whether the field is one box to tick (its label stands behind it)."""
    return isinstance(field.field.widget, CheckboxInput)


@register.simple_tag(takes_context=True)
def here(context: Context, *names: str) -> SafeString:
    """Mark a navigation link as the current page when the page's address has one of these names."""
    match = getattr(context.get("request"), "resolver_match", None)
    return SafeString('aria-current="page"' if match and match.view_name in names else "")


@register.simple_tag(takes_context=True)
def with_query(context: Context, **changes: Any) -> str:
    """Return the page's query string with some values changed (None removes): ``?{% with_query after=x %}``."""
    request = context.get("request")
    query = request.GET.copy() if request else QueryDict(mutable=True)
    for name, value in changes.items():
        query.pop(name, None)
        if value is not None:
            query[name] = str(value)
    return f"?{query.urlencode()}"


@register.inclusion_tag("components/line_chart.html")
def line_chart(
    series: Iterable[tuple[date, Decimal | float | int | None]],
    *,
    caption: str,
    low: int | None = None,
    high: int | None = None,
    unit: str = "points",
    decimals: int = 1,
) -> dict[str, Any]:
    """Draw a history over days, with its data table; ``unit`` is points, money, count or percent."""
    return {
        "chart": charts.line(list(series), low=low, high=high, unit=unit, decimals=decimals),
        "caption": caption,
    }


@register.inclusion_tag("components/bar_chart.html")
def bar_chart(items: Iterable[tuple[str, Decimal | float | int | None]], *, caption: str) -> dict[str, Any]:
    """Draw points, 0–100, as bars from (name, points), with the numbers beside them."""
    return {"bars": charts.bars(list(items)), "caption": caption}


@register.inclusion_tag("components/radar_chart.html")
def radar_chart(items: Iterable[tuple[str, Decimal | float | int | None]], *, caption: str) -> dict[str, Any]:
    """Draw the capabilities as petals from (name, points), with a data table."""
    return {"radar": charts.radar(list(items)), "caption": caption}
