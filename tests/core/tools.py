"""Short ways to make rubrics and inputs in tests of the core."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.core.reader import load
from scoring.core.rubric import Rubric

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "scoring" / "rubrics" / "demo-1.0.yaml"
DATA = Path(__file__).resolve().parent / "data"


def rubric(*children: Mapping[str, Any], root: Mapping[str, Any] | None = None, **top: Any) -> Rubric:
    """A rubric with these children under its root."""
    return load(
        {"rubric": "test", "version": "1", "root": {"code": "TOTAL", **(root or {}), "children": list(children)}, **top}
    )


def leaf(code: str, weight: int = 1, **more: Any) -> dict[str, Any]:
    """An indicator whose value is already points."""
    return {"code": code, "weight": weight, "points": "identity", **more}


def given(names: Sequence[str], **columns: Sequence[int | str | None]) -> Inputs:
    """Inputs with indicator values given directly; None = no data."""
    return Inputs(
        tuple(names),
        {
            Operand(code, "given"): Column.of_fractions([None if cell is None else Fraction(cell) for cell in cells])
            for code, cells in columns.items()
        },
    )


def demo() -> Rubric:
    """The default rubric."""
    return load(DEMO.read_bytes())
