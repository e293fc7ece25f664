"""Scores as rows of their table, and as text for COPY; whatever many rows share is made once."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from scoring.core.score import as_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from decimal import Decimal

    from scoring.core.numbers import Bools
    from scoring.core.score import Scores, Units

# Provider, status, published total, grade, rank, capabilities as JSON, flags.
type ScoreRow = tuple[int, str, Decimal | None, str, int | None, str, tuple[str, ...]]

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"'})


def score_rows(scores: Scores) -> Iterator[ScoreRow]:
    """Lay the scores out as rows of the table, in the order of the subjects."""
    return zip(*_columns(scores), strict=True)


def _columns(
    scores: Scores,
) -> tuple[
    Sequence[int],
    Sequence[str],
    Sequence[Decimal | None],
    Sequence[str],
    Sequence[int | None],
    Sequence[str],
    Sequence[tuple[str, ...]],
]:
    decimals, rated = scores.rubric.published_decimals, scores.rated.tolist()
    totals = {units: as_decimal(units, decimals) for units in np.unique(scores.units).tolist()}
    grades = [*(grade.code for grade in scores.rubric.grades), ""]  # the last one is −1, no grade
    codes = [item.code for item in scores.rubric.capabilities]
    shown = [
        _texts(code, units, known, decimals)
        for code, (units, known) in zip(codes, scores.shown_together(codes), strict=True)
    ]
    return (
        [int(subject) for subject in scores.subjects],
        ["rated" if there else "not_rated" for there in rated],
        [totals[units] if there else None for units, there in zip(scores.units.tolist(), rated, strict=True)],
        [grades[grade] if there else "" for grade, there in zip(scores.grade.tolist(), rated, strict=True)],
        [rank if there else None for rank, there in zip(scores.rank.tolist(), rated, strict=True)],
        [f"{{{', '.join(members)}}}" for members in zip(*shown, strict=True)],
        _flags(scores),
    )


def _flags(scores: Scores) -> list[tuple[str, ...]]:
    """List each subject's flags; subjects with the same ones share them."""
    where = np.array(list(scores.flagged.values()), dtype=bool).reshape(len(scores.flagged), len(scores.subjects))
    packed = np.packbits(where, axis=0)
    wide, bits = len(packed), packed.tobytes("F")
    alike = [bits[wide * row : wide * (row + 1)] for row in range(len(scores.subjects))]
    flags = list(scores.flagged)
    found = {
        key: tuple(flags[number] for number in np.flatnonzero(where[:, row]).tolist())
        for key, row in {key: row for row, key in enumerate(alike)}.items()
    }
    return [found[key] for key in alike]


def _texts(code: str, units: Units, known: Bools, decimals: int) -> list[str]:
    """Write a capability's published points, or null, as members of a JSON object."""
    name = json.dumps(code)
    texts = {unit: f'{name}: "{as_decimal(unit, decimals)}"' for unit in np.unique(units[known]).tolist()}
    nothing = f"{name}: null"
    return [texts[unit] if there else nothing for unit, there in zip(units.tolist(), known.tolist(), strict=True)]


def called() -> dict[str, str]:
    """Return what every provider is called, by its id, as columns of COPY text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id::text, code, name, category FROM providers_provider")
        rows = cursor.fetchall()
    if not rows:
        return {}
    providers, *texts = zip(*rows, strict=True)
    return dict(zip(providers, map("\t".join, zip(*map(_escaped, texts), strict=True)), strict=True))


def _escaped(texts: Iterable[str]) -> list[str]:
    """Write texts as columns of COPY text; no text of PostgreSQL holds a NUL."""
    joined = "\0".join(texts)
    for plain, escaped in _ESCAPES.items():
        joined = joined.replace(plain, escaped)
    return joined.split("\0")


def score_lines(scores: Scores) -> list[str]:
    """Write the rows as COPY text; what many rows share is written once."""
    providers, statuses, published, grades, ranks, capabilities, flags = _columns(scores)
    columns = (
        map(str, providers),
        statuses,
        _written(published, str),
        _written(grades, lambda grade: _escaped([grade])[0]),
        _written(ranks, str),
        capabilities,  # JSON of plain codes and numbers
        _written(flags, lambda row: f"{{{','.join(map(_word, row))}}}"),
    )
    return [f"{line}\n" for line in map("\t".join, zip(*columns, strict=True))]


def _written[T](values: Sequence[T | None], write: Callable[[T], str]) -> Iterator[str]:
    texts = {value: "\\N" if value is None else write(value) for value in set(values)}
    return map(texts.__getitem__, values)


@cache  # a rubric has few flags, a population carries hundreds of thousands
def _word(flag: str) -> str:
    return _escaped([f'"{flag.translate(_QUOTED)}"'])[0]
