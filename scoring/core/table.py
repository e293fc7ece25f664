"""Score a table of raw values: text rows in, text rows out; nothing is guessed and every bad cell is named."""

import csv
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.core.cohorts import freeze
from scoring.core.evaluate import evaluate
from scoring.core.exact import ExactField
from scoring.core.formula import Formula, FormulaError, Operand, Reading, compile_formula, nearest, readings
from scoring.core.inputs import Column, Inputs, State
from scoring.core.rubric import Leaf, Rubric
from scoring.core.score import score, texts

PROFILE, COHORT = "profile", "cohort"
CHUNK = 5_000
MOST_FAULTS = 1_000
LONGEST_CELL = 60

_NUMBER = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class CellFault:
    """One thing wrong with a table; the header is row 1, None stands for the whole table."""

    row: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        place = ", ".join(
            part for part in (self.row and f"row {self.row}", self.column and f"column {self.column}") if part
        )
        return f"{place}: {self.reason}" if place else self.reason


class TableError(ValueError):
    """A table that was refused, with everything that is wrong with it."""

    def __init__(self, faults: Sequence[CellFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def read_table(lines: Iterable[str], rubric: Rubric, *, unit: str = "unit") -> Inputs:
    """Read a CSV table into inputs; TableError names the row, column and reason of every fault."""
    return _Table(rubric, unit).read(lines)


def score_rows(rubric: Rubric, inputs: Inputs) -> Iterator[list[str]]:
    """Score a table: a header row, then one row per subject in the table's order, points with 34 significant digits."""
    codes = [item.code for item in rubric.walk()]
    yield ["unit", *codes, "published", "grade", "rank", "status", "flags"]
    inputs = freeze(rubric, inputs)
    scores = score(rubric, inputs)
    for start in range(0, len(inputs.subjects), CHUNK):
        chunk = range(start, min(start + CHUNK, len(inputs.subjects)))
        exact = evaluate(rubric, inputs.take(chunk), ExactField(len(chunk)))
        columns = texts(rubric, exact, len(chunk))
        for place, row in enumerate(chunk):
            points = [columns[code][place] or "" for code in codes]
            published = scores.published(row)
            yield [
                inputs.subjects[row],
                *points,
                "" if published is None else str(published),
                scores.grade_code(row) or "",
                str(scores.rank[row]) if scores.rated[row] else "",
                scores.status(row),
                " ".join(scores.flags(row)),
            ]


class _Cells:
    """One column of numbers while it is read."""

    def __init__(self) -> None:
        self.numerators: array[int] | list[int] = array("q")
        self.divisors: array[int] | list[int] = array("q")
        self.states = array("b")

    def append(self, numerator: int, divisor: int, state: State) -> None:
        try:
            self.numerators.append(numerator)
        except OverflowError:
            self.numerators = [*self.numerators, numerator]
        try:
            self.divisors.append(divisor)
        except OverflowError:
            self.divisors = [*self.divisors, divisor]
        self.states.append(state)

    def column(self) -> Column:
        divisors = self.divisors
        whole = isinstance(divisors, array) and all(divisor == 1 for divisor in divisors)
        return Column.of(self.numerators, np.array(self.states, dtype=np.int8), None if whole else divisors)


class _Table:
    """Reads a table for a rubric and collects the faults."""

    def __init__(self, rubric: Rubric, unit: str) -> None:
        self._rubric = rubric
        self._unit = unit
        self._faults: list[CellFault] = []

    def read(self, lines: Iterable[str]) -> Inputs:
        rows = csv.reader(lines, strict=True)
        header = self._next(rows, 1)
        if header is None:
            if not self._faults:
                self._fault(None, None, "the table is empty")
            raise TableError(self._faults)
        self._check_header(header)
        bound = self._bind(header)
        if self._faults:
            raise TableError(self._faults)
        labels: dict[str, list[str]] = {name: [] for name in (self._unit, PROFILE, COHORT) if name in header}
        cells = {name: _Cells() for name in header if name not in labels}
        first_rows: dict[str, int] = {}
        number = 1
        while (row := self._next(rows, number + 1)) is not None and len(self._faults) < MOST_FAULTS:
            number += 1
            if not row:
                continue
            if len(row) != len(header):
                self._fault(number, None, f"{len(row)} cells, the header has {len(header)}")
                continue
            for name, cell in zip(header, row, strict=True):
                if name in labels:
                    labels[name].append(self._label(number, name, cell.strip(" "), first_rows))
                else:
                    cells[name].append(*self._number(number, name, cell.strip(" ")))
        if not labels[self._unit] and not self._faults:
            self._fault(None, None, "the table has a header and no rows")
        if self._faults:
            raise TableError(self._faults)
        made = {name: column.column() for name, column in cells.items()}
        return Inputs(
            subjects=tuple(labels[self._unit]),
            columns={operand: made[name] for operand, name in bound.items()},
            profiles=tuple(labels[PROFILE]) if PROFILE in labels else None,
            cohort_of=tuple(labels[COHORT]) if COHORT in labels else None,
        )

    def _next(self, rows: Iterator[list[str]], number: int) -> list[str] | None:
        try:
            return next(rows, None)
        except csv.Error as error:
            self._fault(number, None, f"this is not CSV: {error}")
        except UnicodeDecodeError as error:
            self._fault(number, None, f"this is not UTF-8 (byte {error.object[error.start]:#04x})")
        return None

    def _fault(self, row: int | None, column: str | None, reason: str) -> None:
        self._faults.append(CellFault(row, column, reason))

    # The header

    def _check_header(self, header: Sequence[str]) -> None:
        seen: set[str] = set()
        for place, name in enumerate(header, start=1):
            if not name.strip():
                self._fault(1, str(place), "the column has no name")
            elif name in seen:
                self._fault(1, name, "the column stands twice")
            seen.add(name)
        if self._unit not in seen:
            self._fault(1, self._unit, f"this column names the subjects and is missing{nearest(self._unit, seen)}")

    def _bind(self, header: Sequence[str]) -> Mapping[Operand, str]:
        """Say which column each operand is read from; name columns that nothing reads and those that are missing."""
        named = [name for name in header if name not in (self._unit, PROFILE, COHORT) and name.strip()]
        written = {reading: name for name in named if (reading := _reading(name)) is not None}
        bound: dict[Operand, str] = {}
        for leaf in self._rubric.leaves():
            lacking = self._bind_leaf(leaf, written, bound)
            if leaf.code in named:
                bound[Operand(leaf.code, "given")] = leaf.code
            elif lacking:
                self._fault(1, leaf.code, f"the column is missing, or those it is computed from: {', '.join(lacking)}")
        for gate in self._rubric.gates:
            for reading, operand in gate.when.operands(gate.window).items():
                if (name := _column(reading, gate.window, written)) is not None:
                    bound[operand] = name
        known = {*_expressions(self._rubric), *(leaf.code for leaf in self._rubric.leaves())}
        for name in named:
            if name not in bound.values():
                self._fault(1, name, f"the rubric does not read this column{nearest(name, known - set(named))}")
        return bound

    def _bind_leaf(self, leaf: Leaf, written: Mapping[Reading, str], bound: dict[Operand, str]) -> list[str]:
        """Bind the operands of an indicator that have a column; list the others."""
        lacking: dict[str, None] = {}
        for formula, beside in leaf.formulas():
            for reading, operand in formula.operands(leaf.window, beside=beside).items():
                if (name := _column(reading, leaf.window, written)) is not None:
                    bound[operand] = name
                else:
                    lacking[str(reading)] = None
        return list(lacking)

    # The cells

    def _label(self, row: int, column: str, cell: str, first_rows: dict[str, int]) -> str:
        if column == PROFILE and cell and cell not in self._rubric.profiles:
            self._fault(row, column, f"the rubric has no profile '{cell}'{nearest(cell, self._rubric.profiles)}")
        if column == self._unit:
            if not cell:
                self._fault(row, column, "the subject has no name")
            elif cell in first_rows:
                self._fault(row, column, f"'{cell}' stands twice, first in row {first_rows[cell]}")
            first_rows.setdefault(cell, row)
        return cell

    def _number(self, row: int, column: str, cell: str) -> tuple[int, int, State]:
        if not cell:
            return 0, 1, State.NO_DATA
        match = _NUMBER.fullmatch(cell) if len(cell) <= LONGEST_CELL else None
        if match is None:
            self._fault(row, column, f"'{cell[:LONGEST_CELL]}' is not a number such as 1234.5")
            return 0, 1, State.NO_DATA
        whole, fraction, exponent = match.groups()
        if fraction is None and exponent is None:
            return int(whole), 1, State.VALUE
        power = int(exponent or 0) - len(fraction or "")
        numerator = int(whole + (fraction or ""))
        return (numerator * 10**power, 1, State.VALUE) if power >= 0 else (numerator, 10**-power, State.VALUE)


def _reading(name: str) -> Reading | None:
    """Understand a column's name as a measure or an expression over one."""
    try:
        tree = compile_formula(name, "number").tree
    except FormulaError:
        return None
    return tree if isinstance(tree, Reading) else None


def _column(reading: Reading, window: int, written: Mapping[Reading, str]) -> str | None:
    """Find the column of a reading; the indicator's own window may be written out."""
    if reading.days is None and window:
        spelled = Reading(reading.measure, reading.read, window, reading.by)
        return written.get(spelled, written.get(reading))
    return written.get(reading)


def _expressions(rubric: Rubric) -> Iterator[str]:
    """List what the columns of a table for this rubric may be called, besides the indicators."""
    formulas: list[Formula] = [gate.when for gate in rubric.gates]
    for item in rubric.walk():
        if isinstance(item, Leaf):
            formulas.extend(formula for formula, _ in item.formulas())
    for formula in formulas:
        yield from map(str, readings(formula.tree))
