"""Scores as rows of their table, and as text for COPY; whatever many rows share is made once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from psycopg import sql

from providers.steps.standing import one_row
from scoring.core.score import as_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from decimal import Decimal

    from numpy.typing import NDArray

    from scoring.core.numbers import Bools
    from scoring.core.score import Scores, Units

# Provider, status, published total, grade, rank, capabilities as JSON, flags.
type ScoreRow = tuple[int, str, Decimal | None, str, int | None, str, tuple[str, ...]]

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"'})
# No text of PostgreSQL holds a NUL.
_CALLED = sql.SQL(
    r"SELECT string_agg(int8send(id), ''), string_agg(textsend(code), '\x00'), string_agg(textsend(name), '\x00'),"
    r" string_agg(textsend(category), '\x00') FROM (SELECT * FROM providers_provider ORDER BY id) AS provider"
)


@dataclass(frozen=True, slots=True)
class _Shared[T]:
    """A column whose rows share few values: the values, and the place among them of each row's."""

    distinct: Sequence[T]
    places: NDArray[np.integer]

    def rows(self) -> Iterator[T]:
        return map(self.distinct.__getitem__, self.places.tolist())

    def written(self, write: Callable[[T], str]) -> Iterator[str]:
        """Write it as a column of COPY text."""
        return _Shared(["\\N" if value is None else write(value) for value in self.distinct], self.places).rows()


def score_rows(scores: Scores) -> Iterator[ScoreRow]:
    """Lay the scores out as rows of the table, in the order of the subjects."""
    status, published, grade, rank, capabilities, flags = _columns(scores)
    columns = (status.rows(), published.rows(), grade.rows(), rank.rows(), capabilities, flags.rows())
    return zip(map(int, scores.subjects), *columns, strict=True)


def _columns(
    scores: Scores,
) -> tuple[
    _Shared[str],
    _Shared[Decimal | None],
    _Shared[str],
    _Shared[int | None],
    Iterator[str],
    _Shared[tuple[str, ...]],
]:
    decimals = scores.rubric.published_decimals
    codes = [item.code for item in scores.rubric.capabilities]
    shown = [
        _members("{" if code is codes[0] else ", ", code, units, known, decimals, "}" if code is codes[-1] else "")
        for code, (units, known) in zip(codes, scores.shown_together(codes), strict=True)
    ]
    return (
        _Shared(["not_rated", "rated"], scores.rated.astype(np.intp)),
        _known(scores.units, scores.rated, lambda units: as_decimal(units, decimals)),
        _Shared([*(grade.code for grade in scores.rubric.grades), ""], np.where(scores.rated, scores.grade, -1)),
        _known(scores.rank, scores.rated, int),
        map("".join, zip(*(column.rows() for column in shown), strict=True)),
        _flags(scores),
    )


def _known[T](values: Units, known: Bools, make: Callable[[int], T]) -> _Shared[T | None]:
    """Make something of whole numbers; None where they are not known."""
    distinct, places = np.unique(values, return_inverse=True)
    return _Shared([*map(make, distinct.tolist()), None], np.where(known, places, -1))


def _flags(scores: Scores) -> _Shared[tuple[str, ...]]:
    """List each subject's flags."""
    flags = list(scores.flagged)
    where = np.zeros((len(scores.subjects), max(len(flags), 1)), dtype=bool)
    for number, flag in enumerate(flags):
        where[:, number] = scores.flagged[flag]
    packed = np.packbits(where, axis=1)
    alike: dict[bytes, int] = {}
    places = [alike.setdefault(key, len(alike)) for key in packed.view(f"V{packed.shape[1]}").ravel().tolist()]
    named = np.frombuffer(b"".join(alike), dtype=np.uint8).reshape(len(alike), packed.shape[1])
    bits = np.unpackbits(named, axis=1, count=max(len(flags), 1))
    return _Shared(
        [tuple(flags[number] for number in np.flatnonzero(row).tolist()) for row in bits],
        np.array(places, dtype=np.intp),
    )


def _members(before: str, code: str, units: Units, known: Bools, decimals: int, after: str) -> _Shared[str]:
    """Write a capability's published points, or null, as members of a JSON object, between these characters."""
    points = _known(units, known, lambda unit: f'"{as_decimal(unit, decimals)}"')
    name = json.dumps(code)
    return _Shared([f"{before}{name}: {text or 'null'}{after}" for text in points.distinct], points.places)


def called(subjects: Sequence[str]) -> list[list[str]]:
    """Return what providers are called, as columns of COPY text: code, name, category."""
    numbers, *texts = one_row(_CALLED.format())
    ids, wanted = np.frombuffer(numbers, dtype=">i8"), np.array(subjects, dtype=np.int64)
    places = np.searchsorted(ids, wanted)
    if not np.array_equal(ids[places], wanted):
        raise ValueError("a score is of a provider that is not there")
    return [list(_Shared(_escaped(text.decode()).split("\0"), places).rows()) for text in texts]


def _escaped(text: str) -> str:
    """Write text as COPY text."""
    for plain, escaped in _ESCAPES.items():
        text = text.replace(plain, escaped)
    return text


def score_lines(scores: Scores, before: Sequence[Iterable[str]] = ()) -> list[str]:
    """Write the rows as COPY text, behind columns of such text."""
    status, published, grade, rank, capabilities, flags = _columns(scores)
    columns = (
        scores.subjects,
        status.rows(),
        published.written(str),
        grade.written(_escaped),
        rank.written(str),
        capabilities,  # JSON of plain codes and numbers
        flags.written(lambda row: f"{{{','.join(map(_word, row))}}}\n"),
    )
    return list(map("\t".join, zip(*before, *columns, strict=True)))


@cache  # a rubric has few flags, a population carries hundreds of thousands
def _word(flag: str) -> str:
    return _escaped(f'"{flag.translate(_QUOTED)}"')
