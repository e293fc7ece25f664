"""Read a fact file: whole columns at a time, every row checked, everything wrong named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from django.utils.translation import gettext as _

from providers.readers.columns import match
from providers.readers.faults import Faults, UnreadableFile
from providers.readers.fields import Codes, as_date, as_number, days, numbers
from providers.readers.lines import Block, Lines, Source

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf
    from collections.abc import Sequence
    from datetime import date
    from typing import BinaryIO

    from providers.readers.checks import RowCheck
    from providers.readers.columns import Column, Found, Layout
    from providers.readers.fields import Flags, Ints
    from providers.readers.mapping import Mapping

OLDEST_YEAR = 2000


@dataclass(slots=True)
class FactRows:
    """A fact file as columns: keys first (days since 1970-01-01, row ids), then the measures it delivers."""

    subject: str
    keys: dict[str, Ints]
    measures: dict[str, Ints]
    # Rows in which an end-of-day state was left empty: not known, so neither 0 nor an error.
    unknown: dict[str, Flags] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys["day"])

    def only(self, rows: Flags) -> FactRows:
        """Return the marked rows."""
        return FactRows(
            self.subject,
            {name: values[rows] for name, values in self.keys.items()},
            {name: values[rows] for name, values in self.measures.items()},
            {name: flags[rows] for name, flags in self.unknown.items()},
        )


@dataclass(frozen=True, slots=True)
class FactFile:
    """What came of a file: its rows, or the faults for which none of them counts; and its digest either way."""

    rows: FactRows | None
    row_count: int
    faults: Faults
    digest: str


@dataclass(frozen=True, slots=True)
class FactRules:
    """What the rows are held against: the layouts by subject, the registers, the checks, the newest day possible."""

    layouts: MappingOf[str, Layout]
    registers: MappingOf[str, Codes]
    row_checks: Sequence[RowCheck]
    states: frozenset[str]
    today: date


def read_facts(content: BinaryIO, rules: FactRules, mapping: Mapping) -> FactFile:
    """Read and check a whole file; nothing of it is written anywhere."""
    faults = Faults()
    source: Source | None = None
    rows: FactRows | None = None
    row_count = 0
    try:
        source = Source(content)
        lines = Lines(source)
        reader = _Reader(lines, rules, mapping, faults)
        if not faults:
            for block in lines.blocks(faults):
                reader.take(block)
            row_count = lines.rows
            rows = reader.finish()
    except UnreadableFile as error:
        fault = error.fault
        faults.add(fault.row, fault.column, fault.found, fault.reason)
    digest = source.digest() if source else ""
    return FactFile(None if faults else rows, row_count, faults, digest)


class _Reader:
    """Types and checks the blocks of one file."""

    def __init__(self, lines: Lines, rules: FactRules, mapping: Mapping, faults: Faults) -> None:
        self._rules, self._mapping, self._faults = rules, mapping, faults
        self._header = lines.header
        self._layout = self._choose(set(lines.header) | set(mapping.columns) | set(mapping.constants))
        self._found: Found = match(lines.header, self._layout, mapping, faults)
        self._measures = [column for column in self._layout.columns if column.kind == "integer"]
        self._delivered = [column for column in self._measures if column.name in self._found.at]
        if not self._delivered and not faults:
            faults.add(1, "", "", _("The file delivers no measure of this feed."))
        for name in self._found.constants:
            if self._layout[name].kind == "integer":
                faults.add(1, name, "", _("A measure cannot be a constant."))
        delivered = {column.name for column in self._delivered}
        self._checks = [check for check in rules.row_checks if check.applies_to(delivered)]
        self._filters = {
            lines.header.index(name): Codes(dict.fromkeys(values, 1))
            for name, values in mapping.kept.items()
            if name in lines.header
        }
        self._constants: dict[str, int] = {}
        for name, text in self._found.constants.items():
            self._constants[name] = self._constant(self._layout[name], text)
        self._parts: dict[str, list[Ints]] = {name: [] for name in (*self._layout.key, *delivered)}
        self._unknown: dict[str, list[Flags]] = {name: [] for name in delivered & rules.states}
        self._lines: list[Ints] = []

    def _choose(self, names: set[str]) -> Layout:
        """Pick the kind of subject the rows are about."""
        layouts = self._rules.layouts
        named = [subject for subject in layouts if subject in names]
        if len(named) == 1 or len(layouts) == 1:
            return layouts[named[0] if named else next(iter(layouts))]
        choices = ", ".join(layouts)
        reason = (
            _("Rows of this feed are about one of: %(choices)s. The file names several.")
            if named
            else _("Rows of this feed are about one of: %(choices)s. The file names none.")
        )
        raise UnreadableFile(reason % {"choices": choices}, row=1)

    def _constant(self, column: Column, text: str) -> int:
        block = Block(
            np.frombuffer(text.encode() or b"\n", dtype=np.uint8),
            np.zeros((1, 1), dtype=np.int64),
            np.full((1, 1), len(text.encode()), dtype=np.int64),
            np.zeros(1, dtype=np.int64),
        )
        if column.kind == "day":
            return int(self._days(block, 0, column)[0])
        if column.kind == "code":
            return int(self._ids(block, 0, column)[0])
        return 0

    def take(self, block: Block) -> None:
        """Type, check and keep one block."""
        for position, wanted in self._filters.items():
            block = block.keep(wanted.find(block, position) >= 0)
        n = len(block.lines)
        if not n:
            return
        for name in self._layout.key:
            self._parts[name].append(self._key(block, self._layout[name], n))
        columns: dict[str, Ints] = {}
        unknown: dict[str, Flags] = {}
        bad = np.zeros(n, dtype=np.bool_)
        for column in self._delivered:
            values, missing, wrong = self._integers(block, column)
            columns[column.name] = values
            bad |= wrong
            if column.name in self._unknown:
                unknown[column.name] = missing
                self._unknown[column.name].append(missing)
        for check in self._checks:
            known = ~bad
            for name in check.operands & set(unknown):
                known &= ~unknown[name]
            fails = check.fails(columns) & known
            if fails.any():
                self._name_broken(block, check, columns, fails)
        for name, values in columns.items():
            self._parts[name].append(values)
        self._lines.append(block.lines)

    def _name_broken(self, block: Block, check: RowCheck, columns: dict[str, Ints], fails: Flags) -> None:
        names = sorted(check.operands)
        self._faults.add_where(
            fails,
            block.lines,
            names[0] if len(names) == 1 else "",
            lambda i: ", ".join(f"{name}={columns[name][i]}" for name in names),
            _("The row breaks the rule %(rule)s.") % {"rule": check.text},
        )

    def _key(self, block: Block, column: Column, n: int) -> Ints:
        if column.name in self._constants:
            return np.full(n, self._constants[column.name], dtype=np.int64)
        position = self._found.at.get(column.name)
        if position is None:
            return np.zeros(n, dtype=np.int64)
        return self._days(block, position, column) if column.kind == "day" else self._ids(block, position, column)

    def _days(self, block: Block, position: int, column: Column) -> Ints:
        found, bad = days(block, position)
        self._fault(bad, block, position, column, _("This is not a day. Write it like 2021-07-31."))
        late = ~bad & (found > as_number(self._rules.today))
        self._fault(
            late,
            block,
            position,
            column,
            _("The day is in the future (today is %(today)s).") % {"today": self._rules.today},
        )
        early = ~bad & (found < as_number(self._rules.today.replace(year=OLDEST_YEAR, month=1, day=1)))
        self._fault(early, block, position, column, _("The day is before the year %(year)s.") % {"year": OLDEST_YEAR})
        return np.where(bad, 0, found)

    def _ids(self, block: Block, position: int, column: Column) -> Ints:
        ids = self._rules.registers[column.refers].find(block, position)
        empty = block.starts[:, position] == block.ends[:, position]
        if column.required:
            self._fault(empty, block, position, column, _("The code is empty."))
        self._fault(
            (ids < 0) & ~empty,
            block,
            position,
            column,
            _("No %(what)s with this code is registered.") % {"what": _(column.refers)},
        )
        return np.where(empty, 0, ids)

    def _integers(self, block: Block, column: Column) -> tuple[Ints, Flags, Flags]:
        """Return values, empty states and rows that do not count."""
        position = self._found.at[column.name]
        source = self._mapping.columns.get(column.name)
        scale = source.scale if source else 1
        read = numbers(block, position, scale)
        if scale == 1:
            reason = _("This is not a whole number: ASCII digits only, no separators, no decimals.")
        else:
            reason = _("This is not a decimal number: ASCII digits with at most one point, no separators.")
        self._fault(read.bad, block, position, column, reason)
        self._fault(
            read.inexact, block, position, column, _("Times %(scale)s this is not a whole number.") % {"scale": scale}
        )
        wrong = read.bad | read.inexact
        if column.name not in self._rules.states:
            self._fault(
                read.empty, block, position, column, _("The field is empty. Write 0, or leave the whole column out.")
            )
            wrong |= read.empty
        outside = ~wrong & ~read.empty & ((read.values < column.minimum) | (read.values > column.maximum))
        self._fault(
            outside,
            block,
            position,
            column,
            _("Outside the range of the catalogue, %(least)s to %(most)s.")
            % {"least": column.minimum, "most": column.maximum},
        )
        return read.values, read.empty, wrong | outside

    def _fault(self, bad: Flags, block: Block, position: int, column: Column, reason: str) -> None:
        if bad.any():
            self._faults.add_where(bad, block.lines, column.name, lambda i: block.text(i, position), reason)

    def finish(self) -> FactRows | None:
        """Join the blocks, and name keys that stand twice."""
        if not self._lines:
            if not self._faults:
                self._faults.add(0, "", "", _("The file has no rows."))
            return None
        columns = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        keys = {name: columns[name] for name in self._layout.key}
        order = np.lexsort(tuple(reversed(list(keys.values()))))
        same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
        for name, values in keys.items():
            keys[name] = values[order]
            same &= keys[name][1:] == keys[name][:-1]
        if same.any() and not self._faults:
            self._name_doubles(order, same, np.concatenate(self._lines), keys)
        return FactRows(
            self._layout.subject,
            keys,
            {column.name: columns[column.name][order] for column in self._delivered},
            {name: flags[order] for name, parts in self._unknown.items() if (flags := np.concatenate(parts)).any()},
        )

    def _name_doubles(self, order: Ints, same: Flags, lines: Ints, keys: dict[str, Ints]) -> None:
        where = np.flatnonzero(same)
        earlier, later = lines[order[where]], lines[order[where + 1]]
        for one, other, at in zip(earlier, later, where, strict=True):
            self._faults.add(
                max(int(one), int(other)),
                ", ".join(keys),
                str(as_date(int(keys["day"][at]))),
                _("The same key stands in line %(line)s.") % {"line": min(int(one), int(other))},
            )
