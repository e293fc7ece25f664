"""What a feed's columns are, and how a file's header meets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.readers.faults import Faults
    from providers.readers.mapping import Mapping

Kind = Literal["code", "day", "integer", "text", "choice", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a feed. ``refers`` names the register whose codes it holds; ``choices`` the words allowed."""

    name: str
    kind: Kind
    help: str
    required: bool = False
    refers: str = ""
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 10**18
    longest: int = 120


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one feed, in order; ``key`` is what makes a row one and the same."""

    feed: str
    subject: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def names(self) -> tuple[str, ...]:
        """Return the column names."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class Found:
    """Where our columns come from: a position in the file, or a constant."""

    at: dict[str, int]
    constants: dict[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Return our columns that have a source."""
        return set(self.at) | set(self.constants)


def match(header: Sequence[str], layout: Layout, mapping: Mapping, faults: Faults) -> Found:
    """Find a source for every column; unknown, doubled and missing ones become faults of line 1."""
    doubled = sorted({name for name in header if header.count(name) > 1})
    for name in doubled:
        faults.add(1, name, name, _("The header names this column twice."))
    at: dict[str, int] = {}
    used = {name for source in mapping.columns.values() if (name := source.column)} | mapping.filtered_columns()
    for ours, source in mapping.columns.items():
        if ours not in layout.names():
            faults.add(
                1,
                ours,
                ours,
                _("The mapping fills a column this feed does not have.%(hint)s")
                % {"hint": _hint(ours, layout.names())},
            )
        elif source.column in header:
            at[ours] = header.index(source.column)
        else:
            faults.add(
                1,
                ours,
                source.column,
                _("The mapping reads a column the file does not have.%(hint)s")
                % {"hint": _hint(source.column, header)},
            )
    for name in mapping.filtered_columns() - set(header):
        faults.add(
            1,
            name,
            name,
            _("The mapping filters by a column the file does not have.%(hint)s") % {"hint": _hint(name, header)},
        )
    for position, name in enumerate(header):
        known = name in layout.names() and name not in mapping.columns and name not in mapping.constants
        if known and name not in mapping.ignore:
            at.setdefault(name, position)
        elif name not in used and not mapping.ignores(name):
            faults.add(
                1, name, name, _("This feed has no such column.%(hint)s") % {"hint": _hint(name, layout.names())}
            )
    for name in mapping.constants:
        if name not in layout.names():
            faults.add(
                1,
                name,
                name,
                _("The mapping sets a column this feed does not have.%(hint)s") % {"hint": _hint(name, layout.names())},
            )
    found = Found(at, {name: value for name, value in mapping.constants.items() if name in layout.names()})
    for column in layout.columns:
        if column.required and column.name not in found.names():
            faults.add(1, column.name, "", _("The column %(name)s is missing.") % {"name": column.name})
    return found


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=2, cutoff=0.6)
    return " " + _("Did you mean %(name)s?") % {"name": ", ".join(close)} if close else ""
