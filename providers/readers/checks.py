"""The catalogue's checks: one comparison over measures, tested on whole columns or on exact numbers."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

COMPARE = {ast.LtE: operator.le, ast.GtE: operator.ge, ast.Eq: operator.eq}
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=int(number)):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            return ARITHMETIC[type(op)](_evaluate(left, values), _evaluate(right, values))
    raise ValueError(f"a check may only add, subtract, multiply and divide measures: {ast.unparse(node)}")


def _names(node: ast.expr, sums: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    names = {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}
    return frozenset(part for name in names for part in sums.get(name, (name,)))


@dataclass(frozen=True, slots=True)
class RowCheck:
    """A comparison that every row must pass."""

    text: str
    operands: frozenset[str]
    _left: ast.expr
    _right: ast.expr
    _compare: ast.cmpop
    _sums: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, text: str, sums: Mapping[str, tuple[str, ...]]) -> RowCheck:
        """Read a comparison; ``sums`` are measures that stand for the sum of others."""
        node = ast.parse(text, mode="eval").body
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in COMPARE:
            raise ValueError(f"a row check is one comparison with <=, >= or ==: {text}")
        return cls(text, _names(node, sums), node.left, node.comparators[0], node.ops[0], sums)

    def applies_to(self, delivered: AbstractSet[str]) -> bool:
        """Tell whether all its operands are delivered; otherwise there is nothing to compare."""
        return self.operands <= delivered

    def fails(self, columns: Mapping[str, NDArray[np.int64]]) -> NDArray[np.bool_]:
        """Mark the rows that break the check."""
        values: dict[str, Any] = dict(columns)
        for name, parts in self._sums.items():
            if set(parts) <= set(columns):
                values[name] = sum((columns[part] for part in parts), start=np.int64(0))
        passed = COMPARE[type(self._compare)](_evaluate(self._left, values), _evaluate(self._right, values))
        return np.asarray(~passed, dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class TotalCheck:
    """A quotient of day totals that must lie within limits, or the day is held."""

    text: str
    operands: frozenset[str]
    least: Fraction
    most: Fraction
    _value: ast.BinOp

    @classmethod
    def parse(cls, text: str, least: object, most: object) -> TotalCheck:
        """Read ``measure / measure`` with its limits, kept exact."""
        node = ast.parse(text, mode="eval").body
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
            raise ValueError(f"a partition check is a quotient of two totals: {text}")
        return cls(text, _names(node, {}), Fraction(str(least)), Fraction(str(most)), node)

    def value(self, totals: Mapping[str, int]) -> Fraction | None:
        """Return the quotient of a day's totals; None without both, or over nothing."""
        if not self.operands <= set(totals):
            return None
        exact = {name: Fraction(totals[name]) for name in self.operands}
        try:
            return Fraction(_evaluate(self._value, exact))
        except ZeroDivisionError:
            return None

    def denominator(self, totals: Mapping[str, int]) -> int:
        """Return the day total that is divided by."""
        return int(_evaluate(self._value.right, totals))
