"""A what-if on all providers against the bare NumPy matrix product and clip on the same arrays.

The default rubric (25 indicators, 5 capabilities) is scored once; then drafts of it with other weights, another anchor
and another formula are, published digits proved, and compared with it provider by provider; smaller populations first,
so that the growth from 2,000 to 200,000 providers is printed too.
Run: ``uv run python -m benchmarks.what_if [--size small|medium|large]``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from scoring.core import reader
from scoring.core.formula import compile_formula
from scoring.core.inputs import Column, Inputs, State
from scoring.core.points import Anchors
from scoring.core.rubric import Leaf, Node, Rubric
from scoring.core.score import Scores, score
from scoring.core.what_if import compare

PROVIDERS = {"small": 2_000, "medium": 20_000, "large": 200_000}
RUBRIC = Path(__file__).parent.parent / "scoring" / "rubrics" / "demo-1.0.yaml"
TARGET = 10.0
ROUNDS = {2_000: 15, 20_000: 15, 200_000: 5}


def population(rubric: Rubric, size: int) -> Inputs:
    """Return plausible window values: log-normal counts, one cell in thirty without data."""
    rng = np.random.default_rng(20220630)
    scale = rng.lognormal(0.0, 1.0, size)
    columns = {}
    for operand in rubric.operands():
        middle = 3.0 if operand.measure.startswith("open_") else 20_000.0
        values = np.floor(middle * scale * rng.lognormal(-0.5, 0.7, size)).astype(np.int64)
        if operand.measure.startswith("open_"):
            values = (rng.random(size) < 0.02).astype(np.int64)
        state = np.where(rng.random(size) < 1 / 30, State.NO_DATA, State.VALUE)
        if operand.measure.startswith("open_"):
            state[:] = State.VALUE
        columns[operand] = Column.of(values, state)
    return Inputs(tuple(map(str, range(size))), columns)


def edited(item: Node | Leaf, change: Callable[[Leaf], Leaf]) -> Node | Leaf:
    """Return a tree whose indicators are changed."""
    if isinstance(item, Leaf):
        return change(item)
    return replace(item, children=tuple(edited(child, change) for child in item.children))


def drafts(rubric: Rubric) -> dict[str, list[Rubric]]:
    """Return drafts by what they change, each in several strengths so that nothing is measured twice."""
    first = rubric.leaves()[0]
    assert isinstance(first.points, Anchors)

    def with_tree(change: Callable[[Leaf], Leaf]) -> Rubric:
        root = edited(rubric.root, change)
        assert isinstance(root, Node)
        return replace(rubric, root=root)

    def weighted(step: int) -> Rubric:
        return with_tree(lambda leaf: replace(leaf, weight=leaf.weight + step * (leaf is first)))

    def anchored(step: int) -> Rubric:
        assert isinstance(first.points, Anchors)
        *lower, (x, y) = first.points.anchors
        points = replace(first.points, anchors=(*lower, (x + Fraction(step, 10), y)))
        return with_tree(lambda leaf: replace(leaf, points=points) if leaf is first else leaf)

    def reworded(step: int) -> Rubric:
        value = compile_formula(f"({first.value.text}) * (1 + 0.0{step})", "number", None)
        return with_tree(lambda leaf: replace(leaf, value=value) if leaf is first else leaf)

    def gated(step: int) -> Rubric:
        return replace(rubric, gates=rubric.gates[step % max(1, len(rubric.gates)) :])

    kinds = {"weights": weighted, "an anchor": anchored, "a formula": reworded, "gates": gated}
    return {name: [make(step) for step in range(1, max(ROUNDS.values()) + 1)] for name, make in kinds.items()}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and CPU seconds the work takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def bare(before: Scores) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the clip and product on the same arrays, and the same with values placed between goalposts first."""
    assert before.floats is not None
    leaves = before.rubric.leaves()
    shape = (len(before.subjects), 1)
    values = [before.floats.leaves[leaf.code].value.number.value for leaf in leaves]
    raw = np.column_stack([np.broadcast_to(np.nan_to_num(column)[:, None], shape) for column in values])
    ends = [leaf.points.anchors for leaf in leaves if isinstance(leaf.points, Anchors)]
    floor, target = (np.array([float(pairs[end][0]) for pairs in ends]) for end in (0, -1))
    low, high = np.minimum(floor, target), np.maximum(floor, target)
    weights = np.array(
        [
            [float(leaf.weight * (leaf in getattr(node, "children", ()))) for node in before.rubric.capabilities]
            for leaf in leaves
        ]
    )
    weights /= weights.sum(axis=0)
    return (
        lambda: np.clip(raw, low, high) @ weights,
        lambda: np.clip(100 * (raw - floor) / (target - floor), 0, 100) @ weights,
    )


def measured(rubric: Rubric, size: int) -> float:
    """Print the median times at a population size; return how often the slowest draft takes the bare product's."""
    inputs = population(rubric, size)
    before = score(rubric, inputs)
    product, placed = bare(before)
    versions = drafts(rubric)
    rounds = ROUNDS[size]
    seconds: dict[str, list[tuple[float, float]]] = {}
    for step in range(rounds):
        works: dict[str, Callable[[], object]] = {
            "clip and product": product,
            "the same, values placed first": placed,
            **{name: partial(answer, before, made[step]) for name, made in versions.items()},
        }
        for name, work in works.items():
            seconds.setdefault(name, []).append(timed(work))
    walls = {name: median(wall for wall, _ in times) for name, times in seconds.items()}
    limit = walls["clip and product"]
    print(f"{size} providers, {len(rubric.leaves())} indicators, {before.settled.sum()} settled exactly")
    for name, wall in walls.items():
        cpu = median(cpu for _, cpu in seconds[name])
        print(f"{name}: {wall * 1e3:.1f} ms wall, {cpu * 1e3:.1f} ms CPU ({wall / limit:.1f})")
    fresh, _ = timed(lambda: score(rubric, inputs))
    print(f"nothing known before: {fresh * 1e3:.1f} ms wall ({fresh / limit:.1f})")
    return max(walls[name] for name in versions) / limit


def main() -> int:
    """Measure every population up to the one asked for, and judge that one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=PROVIDERS, default="medium")
    asked = parser.parse_args().size
    rubric = reader.load(RUBRIC.read_bytes())
    for name in list(PROVIDERS)[: list(PROVIDERS).index(asked) + 1]:
        ratio = measured(rubric, PROVIDERS[name])
    print(f"what_if ratio={ratio:.1f} target={TARGET:g}")
    return 0 if ratio <= TARGET else 1


def answer(before: Scores, draft: Rubric) -> object:
    """Score a draft, published digits proved, and compare it provider by provider."""
    return compare(before, score(draft, before.inputs, like=before))


if __name__ == "__main__":
    sys.exit(main())
