"""What points may be carried from: the cycle before of those whose data are owed, and of nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from scoring.core.evaluate import found
from scoring.core.floats import FloatField
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State
from scoring.core.numbers import Bools
from scoring.core.rubric import Leaf, Rubric, leaf_operands


@dataclass(frozen=True, slots=True, eq=False)
class Owed:
    """The columns of the indicators that somebody's data are owed for, and whose."""

    operands: tuple[Operand, ...]
    whose: Bools


def owed(leaves: Iterable[Leaf], inputs: Inputs) -> Owed:
    """Find out for whom some indicators may carry points; where floats leave it open, they may."""
    whose = np.zeros(len(inputs.subjects), dtype=bool)
    operands: set[Operand] = set()
    for leaf in leaves:
        where = _owed(leaf, inputs)
        if where.any():
            whose |= where
            operands.update(leaf_operands(leaf))
    return Owed(tuple(sorted(operands)), whose)


def not_frozen(rubric: Rubric, inputs: Inputs, frozen: Rubric) -> Owed:
    """Find out what a rubric carries from and the rubric that these inputs were frozen for did not."""
    known = {_measured(leaf) for leaf in frozen.leaves()}
    wanted = owed((leaf for leaf in rubric.leaves() if _measured(leaf) not in known), inputs)
    there = {} if inputs.previous is None else inputs.previous.columns
    if not wanted.operands or any(operand not in there for operand in wanted.operands):
        return wanted
    missing = wanted.whose & ~owed(frozen.leaves(), inputs).whose
    return wanted if missing.any() else Owed((), missing)


def laid_before(inputs: Inputs, read: Inputs, frozen: Rubric | None = None) -> Inputs:
    """Add cells of the cycle before, of some subjects in their order; what was frozen for a rubric stays as it is."""
    chosen = set(read.subjects)
    rows = np.flatnonzero([subject in chosen for subject in inputs.subjects])
    there = inputs.previous or Inputs(inputs.subjects, {})
    kept = None if frozen is None else owed(frozen.leaves(), inputs).whose
    columns = dict(there.columns)
    for operand, column in read.columns.items():
        spread = _spread(column, rows, len(inputs.subjects))
        before = columns.get(operand)
        columns[operand] = spread if before is None or kept is None else _over(before, spread, kept | before.known)
    return replace(inputs, previous=replace(there, columns=columns))


def _measured(leaf: Leaf) -> tuple[object, ...]:
    """All that decides whether an indicator's data are owed."""
    return leaf.code, leaf.value, leaf.window, leaf.applies_when, leaf.sample, leaf.missing


def _owed(leaf: Leaf, inputs: Inputs) -> Bools:
    size = len(inputs.subjects)
    if leaf.missing == "not_applicable":
        return np.zeros(size, dtype=bool)
    field = FloatField(size)
    try:
        with np.errstate(all="raise"):
            state = found(leaf, inputs, field).verdict.state
    except (FloatingPointError, OverflowError):
        return np.ones(size, dtype=bool)
    missing: Bools = (state == State.NO_DATA) | (state == State.STALE)
    return missing | field.doubt


def _spread(column: Column, rows: np.ndarray[tuple[int], np.dtype[np.intp]], size: int) -> Column:
    """Lay a column's cells at some of so many rows; the others hold no data."""
    numerator, divisor = np.zeros(size, dtype=column.numerator.dtype), None
    numerator[rows] = column.numerator
    state = np.full(size, State.NO_DATA, dtype=np.int8)
    state[rows] = column.state
    if column.divisor is not None:
        divisor = np.ones(size, dtype=column.divisor.dtype)
        divisor[rows] = column.divisor
    return Column(numerator, state, divisor)


def _over(before: Column, fresh: Column, kept: Bools) -> Column:
    """Keep some cells of a column and take the others from a fresh one."""
    divisor = None
    if before.divisor is not None or fresh.divisor is not None:
        divisor = np.where(kept, *(1 if one is None else one for one in (before.divisor, fresh.divisor)))
    return Column(np.where(kept, before.numerator, fresh.numerator), np.where(kept, before.state, fresh.state), divisor)
