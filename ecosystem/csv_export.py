"""Any table as a CSV file that a spreadsheet opens as it stands."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from ecosystem.clock import business_today

# What a spreadsheet takes for a formula when a cell starts with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?[0-9][0-9,]*(\.[0-9]+)?%?")
_ROWS_AT_ONCE = 200


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def cell(value: object) -> str:
    """Write a value for a spreadsheet: nothing for None, Shanghai time, and no text that would run as a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    if isinstance(value, int | float) or not text.startswith(_FORMULA) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def csv_response(name: str, header: Sequence[object], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """Stream the rows as ``name-<business day>.csv``: UTF-8 with the mark that spreadsheets look for."""
    response = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"{name}-{business_today().isoformat()}.csv"
    )
    response["Cache-Control"] = "no-store"
    return response


def _lines(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    lines = ["\ufeff", writer.writerow([cell(value) for value in header])]
    for row in rows:
        lines.append(writer.writerow([cell(value) for value in row]))
        if len(lines) >= _ROWS_AT_ONCE:
            yield "".join(lines)
            lines = []
    yield "".join(lines)
