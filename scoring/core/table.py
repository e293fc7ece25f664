"""Score a table of raw values: text rows in, text rows out; nothing is guessed and every bad cell is named."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from scoring.core.cells import LONGEST_CELL, Numbers
from scoring.core.cohorts import freeze
from scoring.core.evaluate import evaluate
from scoring.core.exact import ExactField
from scoring.core.formula import Formula, FormulaError, Operand, Reading, compile_formula, nearest, readings
from scoring.core.inputs import Inputs
from scoring.core.rubric import Leaf, Node, Rubric
from scoring.core.said import Said, said
from scoring.core.score import score, texts

PROFILE, COHORT = "profile", "cohort"
CHUNK = 20_000
MOST_FAULTS = 1_000
# What the library finds, and how we say it; of the rest we say what is needed and add its words.
_PROBLEMS: Sequence[tuple[str, Callable[[], Said]]] = (
    ("unexpected end of data", lambda: said("a quotation mark is not closed")),
    ("expected after", lambda: said("something stands between a closing quotation mark and the next comma")),
    ("field larger than field limit", lambda: said("a cell is too long")),
    ("new-line character seen", lambda: said("a line ends with a carriage return alone")),
)


@dataclass(frozen=True, slots=True)
class CellFault:
    """One thing wrong with a table; the header is row 1, None stands for the whole table."""

    row: int | None
    column: str | None
    reason: str

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> Said:
        """The fault with its place, to be said in any language."""
        values = {"row": self.row, "column": self.column, "reason": self.reason}
        if self.row and self.column:
            return said("row {row}, column {column}: {reason}", **values)
        if self.row:
            return said("row {row}: {reason}", **values)
        return said("column {column}: {reason}", **values) if self.column else said("{reason}", **values)


class TableError(ValueError):
    """A table that was refused, with everything that is wrong with it."""

    def __init__(self, faults: Sequence[CellFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def read_table(lines: Iterable[str], rubric: Rubric, *, unit: str = "unit") -> Inputs:
    """Read a CSV table into inputs; TableError names the row, column and reason of every fault."""
    return _Table(rubric, unit).read(lines)


def score_rows(rubric: Rubric, inputs: Inputs) -> Iterator[Sequence[str]]:
    """Score a table: a header row, then one row per subject in the table's order, points with 34 significant digits.

    An empty cell is left to the rule of the node above it: what an indicator's own policy says of missing data is
    about an earlier cycle, which a table does not have. TableError if a total is too large to be published.
    """
    rubric = replace(rubric, root=_without_policies(rubric.root))
    codes = [item.code for item in rubric.walk()]
    inputs = freeze(rubric, inputs)
    try:
        scores = score(rubric, inputs)
    except OverflowError:
        raise TableError(_too_large(rubric, inputs)) from None
    size = len(inputs.subjects)
    flags: list[list[str]] = [[] for _ in range(size)]
    for flag, where in scores.flagged.items():
        for row in np.flatnonzero(where):
            flags[row].append(flag)
    yield ["unit", *codes, "published", "grade", "rank", "status", "flags"]
    for start in range(0, size, CHUNK):
        chunk = range(start, min(start + CHUNK, size))
        columns = texts(rubric, evaluate(rubric, inputs.take(chunk), ExactField(len(chunk))), len(chunk))
        yield from zip(
            inputs.subjects[start : chunk.stop],
            *([point or "" for point in columns[code]] for code in codes),
            ["" if (total := scores.published(row)) is None else format(total, "f") for row in chunk],
            [scores.grade_code(row) or "" for row in chunk],
            [str(rank) if rank else "" for rank in scores.rank[start : chunk.stop].tolist()],
            [scores.status(row) for row in chunk],
            [" ".join(flags[row]) for row in chunk],
            strict=True,
        )


def _without_policies(node: Node) -> Node:
    """Let indicators without data be missing."""
    return replace(
        node,
        children=tuple(
            _without_policies(child) if isinstance(child, Node) else replace(child, missing="not_applicable")
            for child in node.children
        ),
    )


def _too_large(rubric: Rubric, inputs: Inputs) -> list[CellFault]:
    """Name the subjects whose total does not fit 64 bits in published units."""
    total = evaluate(rubric, inputs, ExactField(len(inputs.subjects))).points(rubric.root.code)
    most = Fraction(2**63 - 1, 10**rubric.published_decimals)
    found = zip(inputs.subjects, total.known, total.number.fractions(), strict=True)
    return [
        CellFault(None, rubric.root.code, said("the total of '{name}' is too large to be published", name=name))
        for name, known, points in found
        if known and abs(points) > most - 1
    ]


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
                self._fault(None, None, said("the table is empty"))
            raise TableError(self._faults)
        self._check_header(header)
        bound = self._bind(header)
        if self._faults:
            raise TableError(self._faults)
        labels: dict[str, list[str]] = {name: [] for name in (self._unit, PROFILE, COHORT) if name in header}
        cells = {name: Numbers() for name in header if name not in labels}
        first_rows: dict[str, int] = {}
        for numbers, chunk in self._chunks(rows, len(header)):
            for name, column in zip(header, zip(*chunk, strict=True), strict=True):
                if name in labels:
                    stripped = [cell.strip(" ") for cell in column]
                    self._check_labels(name, stripped, numbers, first_rows)
                    labels[name] += stripped
                else:
                    for place in cells[name].append(column):
                        cell = column[place][:LONGEST_CELL]
                        reason = said("'{cell}' is not a number such as 1234.5", cell=cell)
                        self._fault(numbers[place], name, reason)
        if not labels[self._unit] and not self._faults:
            self._fault(None, None, said("the table has a header and no rows"))
        if self._faults:
            raise TableError(sorted(self._faults, key=lambda fault: fault.row or 0)[:MOST_FAULTS])
        made = {name: column.column() for name, column in cells.items()}
        return Inputs(
            subjects=tuple(labels[self._unit]),
            columns={operand: made[name] for operand, name in bound.items()},
            profiles=tuple(labels[PROFILE]) if PROFILE in labels else None,
            cohort_of=tuple(labels[COHORT]) if COHORT in labels else None,
        )

    def _chunks(self, rows: Iterator[list[str]], width: int) -> Iterator[tuple[list[int], list[list[str]]]]:
        """Read rows in bulk, with their numbers; those that are empty or not as long as the header are left out."""
        number = 1
        numbers: list[int] = []
        chunk: list[list[str]] = []
        while len(self._faults) < MOST_FAULTS and (row := self._next(rows, number + 1)) is not None:
            number += 1
            if len(row) == width:
                numbers.append(number)
                chunk.append(row)
            elif row:
                self._fault(number, None, said("{found} cells, the header has {width}", found=len(row), width=width))
            if len(chunk) == CHUNK:
                yield numbers, chunk
                numbers, chunk = [], []
        if chunk:
            yield numbers, chunk

    def _next(self, rows: Iterator[list[str]], number: int) -> list[str] | None:
        try:
            return next(rows, None)
        except csv.Error as error:
            unknown = said("cells are needed, with commas between them ({problem})", problem=error)
            reason = next((worded() for problem, worded in _PROBLEMS if problem in str(error)), unknown)
            self._fault(number, None, said("this is not CSV: {reason}", reason=reason))
        except UnicodeDecodeError as error:
            byte = f"{error.object[error.start]:#04x}"
            self._fault(number, None, said("this is not UTF-8 (byte {byte})", byte=byte))
        return None

    def _fault(self, row: int | None, column: str | None, reason: str) -> None:
        self._faults.append(CellFault(row, column, reason))

    # The header

    def _check_header(self, header: Sequence[str]) -> None:
        seen: set[str] = set()
        for place, name in enumerate(header, start=1):
            if not name.strip():
                self._fault(1, str(place), said("the column has no name"))
            elif name in seen:
                self._fault(1, name, said("the column stands twice"))
            seen.add(name)
        if self._unit not in seen:
            near = nearest(self._unit, seen)
            self._fault(1, self._unit, said("this column names the subjects and is missing{near}", near=near))

    def _bind(self, header: Sequence[str]) -> Mapping[Operand, str]:
        """Say which column each operand is read from; name columns that nothing reads and those that are missing."""
        named = [name for name in header if name not in (self._unit, PROFILE, COHORT) and name.strip()]
        written = {reading: name for name in named if (reading := _reading(name)) is not None}
        bound: dict[Operand, str] = {}
        for leaf in self._rubric.leaves():
            absent = self._bind_leaf(leaf, written, bound)
            if leaf.code in named:
                bound[Operand(leaf.code, "given")] = leaf.code
            elif absent:
                names = ", ".join(absent)
                reason = said("the column is missing, or those it is computed from: {names}", names=names)
                self._fault(1, leaf.code, reason)
        for gate in self._rubric.gates:
            for reading, operand in gate.when.operands(gate.window).items():
                if (name := _column(reading, gate.window, written)) is not None:
                    bound[operand] = name
        read = set(bound.values())
        lacking = {*_expressions(self._rubric), *(leaf.code for leaf in self._rubric.leaves())} - set(named)
        for name in [name for name in named if name not in read][:MOST_FAULTS]:
            self._fault(1, name, said("the rubric does not read this column{near}", near=nearest(name, lacking)))
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

    def _check_labels(
        self, column: str, cells: Sequence[str], numbers: Sequence[int], first_rows: dict[str, int]
    ) -> None:
        """Refuse profiles that are not known, and subjects without a name or with one that stands above."""
        if column == PROFILE:
            for row, cell in zip(numbers, cells, strict=True):
                if cell and cell not in self._rubric.profiles:
                    near = nearest(cell, self._rubric.profiles)
                    self._fault(row, column, said("the rubric has no profile '{cell}'{near}", cell=cell, near=near))
        if column == self._unit:
            for row, cell in zip(numbers, cells, strict=True):
                if not cell:
                    self._fault(row, column, said("the subject has no name"))
                elif first_rows.setdefault(cell, row) != row:
                    first = first_rows[cell]
                    self._fault(
                        row, column, said("'{cell}' stands twice, first in row {first}", cell=cell, first=first)
                    )


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
