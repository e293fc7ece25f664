"""The frozen input of a run: window values per subject, each cell with its state, as arrays and as bytes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.core.formula import Operand
from scoring.core.numbers import Integers

type States = NDArray[np.int8]

FORMAT = "scoring-inputs-1"
SMALLEST_COHORT = 20


class State(IntEnum):
    """What is known of a cell; a zero is a VALUE, a DISPUTED cell holds the last undisputed value."""

    VALUE = 0
    NOT_APPLICABLE = 1
    NO_DATA = 2
    INSUFFICIENT_SAMPLE = 3
    STALE = 4
    DISPUTED = 5


@dataclass(frozen=True, eq=False)
class Column:
    """One operand for all subjects: numerator ÷ divisor in the measure's unit.

    numerator, divisor: (n,) int64, or Python integers where 64 bits do not hold them; divisor None = 1, else > 0.
    state: (n,) int8 of State; the numerator of a cell that is neither VALUE nor DISPUTED is 0.
    """

    numerator: Integers
    state: States
    divisor: Integers | None = None

    @classmethod
    def of(
        cls,
        values: Sequence[int] | Integers,
        state: Sequence[int] | States | None = None,
        divisor: Sequence[int] | Integers | None = None,
    ) -> "Column":
        """Make a column from whole numbers; without states every cell is a value."""
        numerator = _integers(values)
        states = np.zeros(numerator.size, dtype=np.int8) if state is None else np.asarray(state, dtype=np.int8)
        under = None if divisor is None else _integers(divisor)
        if states.shape != numerator.shape or (under is not None and under.shape != numerator.shape):
            raise ValueError("the numerators, states and divisors of a column must have one length")
        if under is not None and not bool(np.all(under > 0)):
            raise ValueError("the divisors of a column must be positive")
        known = (states == State.VALUE) | (states == State.DISPUTED)
        return cls(np.where(known, numerator, 0).astype(numerator.dtype, copy=False), states, under)

    @classmethod
    def of_fractions(cls, values: Sequence[Fraction | None], absent: State = State.NO_DATA) -> "Column":
        """Make a column from exact numbers; None becomes a cell without a value."""
        known = [Fraction(0) if value is None else value for value in values]
        state = [absent if value is None else State.VALUE for value in values]
        return cls.of([value.numerator for value in known], state, [value.denominator for value in known])

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Where the cell holds a number."""
        return np.equal(self.state, State.VALUE) | np.equal(self.state, State.DISPUTED)

    def take(self, rows: NDArray[np.intp]) -> "Column":
        """Keep some rows, in the order given."""
        return Column(self.numerator[rows], self.state[rows], None if self.divisor is None else self.divisor[rows])

    def fraction(self, row: int) -> Fraction | None:
        """One cell as an exact number; None if it holds none."""
        if not self.known[row]:
            return None
        return Fraction(int(self.numerator[row]), 1 if self.divisor is None else int(self.divisor[row]))


@dataclass(frozen=True, slots=True)
class Cohort:
    """The frozen raw values of a group of subjects, which percentiles and z-scores are read against; sorted."""

    members: tuple[Fraction, ...]

    @classmethod
    def of(cls, values: Sequence[Fraction]) -> "Cohort":
        """Freeze a group."""
        return cls(tuple(sorted(values)))

    @property
    def usable(self) -> bool:
        """Whether the group is large enough to read from."""
        return len(self.members) >= SMALLEST_COHORT

    @property
    def sha256(self) -> str:
        """The digest of the members."""
        return hashlib.sha256("\n".join(map(str, self.members)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """All a score is computed from besides the rubric; columns are aligned with `subjects`.

    profiles: per subject the name of its capability weights, "" = the rubric's own; None = a run without profiles.
    cohort_of: per subject the cohort it is compared with; cohorts: by (indicator code, cohort).
    previous: the same subjects one cycle earlier, which carried values are computed from; what nothing is carried from
    holds no data or has no column.
    """

    subjects: tuple[str, ...]
    columns: Mapping[Operand, Column]
    profiles: tuple[str, ...] | None = None
    cohort_of: tuple[str, ...] | None = None
    cohorts: Mapping[tuple[str, str], Cohort] = field(default_factory=dict)
    previous: "Inputs | None" = None

    def __post_init__(self) -> None:
        size = len(self.subjects)
        if len(set(self.subjects)) != size:
            raise ValueError("every subject may stand in the inputs once")
        for operand, column in self.columns.items():
            if column.numerator.shape != (size,):
                raise ValueError(f"{operand} has {column.numerator.size} cells for {size} subjects")
        for labels in (self.profiles, self.cohort_of):
            if labels is not None and len(labels) != size:
                raise ValueError(f"{len(labels)} labels for {size} subjects")
        if self.previous is not None and self.previous.subjects != self.subjects:
            raise ValueError("the previous cycle must list the same subjects in the same order")

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "Inputs":
        """Keep some subjects, in the order given."""
        index = np.asarray(rows, dtype=np.intp)
        return self._picked(index, tuple(self.subjects[row] for row in index))

    def repeated(self, row: int, times: int) -> "Inputs":
        """One subject several times over, named "0", "1", …, to try changes side by side."""
        return self._picked(np.full(times, row, dtype=np.intp), tuple(map(str, range(times))))

    def _picked(self, index: NDArray[np.intp], names: tuple[str, ...]) -> "Inputs":
        return replace(
            self,
            subjects=names,
            columns={operand: column.take(index) for operand, column in self.columns.items()},
            profiles=None if self.profiles is None else tuple(self.profiles[row] for row in index),
            cohort_of=None if self.cohort_of is None else tuple(self.cohort_of[row] for row in index),
            previous=None if self.previous is None else self.previous._picked(index, names),
        )

    def spliced(self, other: "Inputs") -> "Inputs":
        """The same subjects, those of `other` with its cells in place of their own; ValueError if one is not there."""
        index = np.arange(len(self.subjects), dtype=np.intp)
        for number, subject in enumerate(other.subjects):
            index[self.row(subject)] = len(self.subjects) + number
        return stacked([self, other])._picked(index, self.subjects)

    def row(self, subject: str) -> int:
        """Find the row of a subject; ValueError if it is not there."""
        try:
            return self.subjects.index(subject)
        except ValueError:
            raise ValueError(f"there is no subject '{subject}' in the inputs") from None

    def with_columns(self, columns: Mapping[Operand, Column]) -> "Inputs":
        """Add or replace columns."""
        return replace(self, columns={**self.columns, **columns})

    def to_bytes(self) -> bytes:
        """Write the inputs; equal inputs give equal bytes on every machine."""
        arrays: list[bytes] = []
        header = json.dumps(_header(self, arrays), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return b"".join((len(header).to_bytes(8, "little"), header, *arrays))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Inputs":
        """Read what to_bytes wrote; ValueError if it is something else."""
        length = int.from_bytes(data[:8], "little")
        try:
            header = json.loads(data[8 : 8 + length])
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError(f"these bytes are not {FORMAT}")
        inputs, end = _inputs(header, memoryview(data), 8 + length)
        if end != len(data):
            raise ValueError(f"{len(data) - end} bytes too many after the inputs")
        return inputs

    @property
    def sha256(self) -> str:
        """The digest of to_bytes()."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def stacked(parts: Sequence[Inputs]) -> Inputs:
    """Put inputs of the same columns and cohorts below each other, as so many subjects named "0", "1", …."""
    first = parts[0]
    names = tuple(str(number) for number in range(sum(len(part.subjects) for part in parts)))
    previous = [part.previous for part in parts if part.previous is not None]
    return Inputs(
        names,
        {operand: _stacked([part.columns[operand] for part in parts]) for operand in first.columns},
        profiles=_joined([part.profiles for part in parts]),
        cohort_of=_joined([part.cohort_of for part in parts]),
        cohorts=first.cohorts,
        previous=stacked(_widened(previous)) if previous else None,
    )


def _widened(parts: Sequence[Inputs]) -> list[Inputs]:
    """Give parts the columns of all of them; what is new to one holds no data."""
    operands = {operand for part in parts for operand in part.columns}
    return [
        part.with_columns(
            {
                operand: Column.of(np.zeros(len(part.subjects)), np.full(len(part.subjects), State.NO_DATA))
                for operand in operands - part.columns.keys()
            }
        )
        for part in parts
    ]


def _stacked(columns: Sequence[Column]) -> Column:
    under = [np.ones(len(one.numerator), dtype=np.int64) if one.divisor is None else one.divisor for one in columns]
    return Column(
        np.concatenate([one.numerator for one in columns]),
        np.concatenate([one.state for one in columns]),
        None if all(one.divisor is None for one in columns) else np.concatenate(under),
    )


def _joined(labels: Sequence[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    known = [one for one in labels if one is not None]
    return tuple(label for one in known for label in one) if known else None


def _integers(values: Sequence[int] | Integers) -> Integers:
    if isinstance(values, np.ndarray):
        return values if values.dtype == object else values.astype(np.int64)
    if all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    wide = np.empty(len(values), dtype=object)
    wide[:] = values
    return wide


def _header(inputs: Inputs, arrays: list[bytes]) -> dict[str, Any]:
    columns = []
    for operand, column in sorted(inputs.columns.items()):
        columns.append(
            {
                "operand": [operand.measure, operand.read, operand.days, operand.by, list(operand.together)],
                "numerator": _write(column.numerator, arrays),
                "divided": column.divisor is not None,
                "divisor": None if column.divisor is None else _write(column.divisor, arrays),
            }
        )
        arrays.append(column.state.astype("<i1").tobytes())
    return {
        "format": FORMAT,
        "subjects": list(inputs.subjects),
        "columns": columns,
        "profiles": inputs.profiles,
        "cohort_of": inputs.cohort_of,
        "cohorts": [
            [*key, [str(member) for member in cohort.members]] for key, cohort in sorted(inputs.cohorts.items())
        ],
        "previous": None if inputs.previous is None else _header(inputs.previous, arrays),
    }


def _write(values: Integers, arrays: list[bytes]) -> list[str] | None:
    """Append 64-bit numbers to the arrays; larger ones go into the header as text."""
    if values.dtype == object and not all(-(2**63) <= value < 2**63 for value in values):
        return [str(value) for value in values]
    arrays.append(values.astype("<i8").tobytes())
    return None


def _inputs(header: dict[str, Any], data: memoryview, start: int) -> tuple[Inputs, int]:
    size, place = len(header["subjects"]), start
    columns: dict[Operand, Column] = {}
    for entry in header["columns"]:
        measure, read, days, by, together = entry["operand"]
        numerator, place = _read(entry["numerator"], data, place, size)
        divisor: Integers | None = None
        if entry["divided"]:
            divisor, place = _read(entry["divisor"], data, place, size)
        state = np.frombuffer(data, dtype="<i1", count=size, offset=place).astype(np.int8)
        place += size
        columns[Operand(measure, read, days, by, tuple(together))] = Column(numerator, state, divisor)
    previous: Inputs | None = None
    if header["previous"] is not None:
        previous, place = _inputs(header["previous"], data, place)
    labels = {key: None if header[key] is None else tuple(header[key]) for key in ("profiles", "cohort_of")}
    cohorts = {(code, name): Cohort(tuple(map(Fraction, members))) for code, name, members in header["cohorts"]}
    made = Inputs(tuple(header["subjects"]), columns, **labels, cohorts=cohorts, previous=previous)
    return made, place


def _read(written: list[str] | None, data: memoryview, place: int, size: int) -> tuple[Integers, int]:
    if written is not None:
        wide = np.empty(size, dtype=object)
        wide[:] = [int(value) for value in written]
        return wide, place
    return np.frombuffer(data, dtype="<i8", count=size, offset=place).astype(np.int64), place + 8 * size
