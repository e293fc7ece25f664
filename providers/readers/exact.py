"""Type the fields of a fact file one by one as far as faults go: every fault is named by line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.utils.translation import gettext as _

from providers.readers.fields import as_number, days, numbers
from providers.readers.lines import Block
from providers.readers.rows import FactRows

if TYPE_CHECKING:
    from providers.readers.checks import RowCheck
    from providers.readers.columns import Column
    from providers.readers.faults import Faults
    from providers.readers.fields import Flags, Ints
    from providers.readers.plan import Plan

OLDEST_YEAR = 2000


class Exact:
    """Types and checks blocks of fields; whatever is wrong becomes a fault."""

    def __init__(self, plan: Plan, faults: Faults) -> None:
        self._plan, self._faults = plan, faults
        self._rules, self._found, self._layout = plan.rules, plan.found, plan.layout
        self._constants = {
            name: self._constant(self._layout[name], text) for name, text in self._found.constants.items()
        }

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

    def rows(self, block: Block) -> FactRows | None:
        """Return a block's rows that count, typed and checked; None if it has none."""
        for position, wanted in self._plan.filters.items():
            block = block.keep(wanted.find(block.data, block.starts[:, position], block.ends[:, position]) >= 0)
        n = len(block.lines)
        if not n:
            return None
        keys = {name: self._key(block, self._layout[name], n) for name in self._layout.key}
        columns: dict[str, Ints] = {}
        unknown: dict[str, Flags] = {}
        bad = np.zeros(n, dtype=np.bool_)
        for column in self._plan.delivered:
            values, missing, wrong = self._integers(block, column)
            columns[column.name] = values
            bad |= wrong
            if column.name in self._rules.states and missing.any():
                unknown[column.name] = missing
        for check in self._plan.checks:
            known = ~bad
            for name in check.operands & set(unknown):
                known &= ~unknown[name]
            fails = check.fails(columns) & known
            if fails.any():
                self._name_broken(block, check, columns, fails)
        return FactRows(self._layout.subject, keys, columns, unknown, block.lines)

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
        ids = self._rules.registers[column.refers].find(block.data, block.starts[:, position], block.ends[:, position])
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
        source = self._plan.mapping.columns.get(column.name)
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
