"""The reading side of a score: one card per score, computed by the scoring core from the run's frozen inputs.

Pages, admin and API show these objects and derive nothing. A card costs one query (the inputs, cached by digest) when
the score comes with its run and rubric version (``current.score_of`` or ``select_related("run__rubric_version")``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from django.core.cache import cache
from django.utils.translation import get_language

from ecosystem.numerals import rounded
from ecosystem.version import code_version
from scoring import wording
from scoring.core.explain import Cell, Line, trace
from scoring.core.inputs import State
from scoring.core.path import to_next_grade
from scoring.core.rubric import Leaf
from scoring.current import name_in
from scoring.models import RunInput, Score
from scoring.models.scores import LEFT

if TYPE_CHECKING:
    from datetime import date

    from scoring.core.explain import Trace
    from scoring.core.inputs import Inputs
    from scoring.core.path import Change, Path
    from scoring.core.rubric import Node, Rubric
    from scoring.models import Run

STEPS_SHOWN = 8
PATH_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class ReadingCard:
    """One operand of an indicator as it was read: the measure, over what, the value in words, its state."""

    measure: str
    name: str
    window: str
    value: str
    state: str


@dataclass(frozen=True, slots=True)
class IndicatorCard:
    """One indicator; points 0–scale, weight in percent of the total after re-spreading, contribution in points."""

    code: str
    name: str
    value: str
    points: Decimal | None
    weight: Decimal
    contribution: Decimal
    headroom: Decimal
    state: str
    reason: str
    numerator: str
    denominator: str
    numerator_value: str
    denominator_value: str
    formula: str
    anti_gaming: str
    source: str
    window_days: int
    sample: str
    readings: tuple[ReadingCard, ...]


@dataclass(frozen=True, slots=True)
class CapabilityCard:
    """One child of the root with the indicators below it; shown contributions add up to the total."""

    code: str
    name: str
    points: Decimal | None
    weight: Decimal
    contribution: Decimal
    state: str
    reason: str
    indicators: tuple[IndicatorCard, ...]


@dataclass(frozen=True, slots=True)
class StepCard:
    """One indicator moved on the way to the next grade; gain in points of the total when all of it is done."""

    code: str
    name: str
    today: str
    needed: str
    gain: Decimal


@dataclass(frozen=True, slots=True)
class PathCard:
    """The way to the next grade: ``steps`` suffice each alone, ``together`` as a mix; what stands in the way."""

    grade: str
    steps: tuple[StepCard, ...]
    together: tuple[StepCard, ...]
    blocked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One score, opened. ``through`` is the last day of its data; ``of`` the providers rated."""

    score_id: int
    provider_id: int
    run_id: int
    as_of: date
    through: date
    is_official: bool
    status: str
    total: Decimal | None
    grade: str
    rank: int | None
    of: int
    rubric: str
    scale: str
    capabilities: tuple[CapabilityCard, ...]
    gates: tuple[str, ...]
    flags: tuple[str, ...]
    path: PathCard | None


def inputs_of(run: Run) -> Inputs | None:
    """Return the frozen inputs of a run; None where it has none yet."""
    stored = RunInput.objects.filter(run=run).first()
    return None if stored is None else stored.as_core()


def card(score: Score, *, with_path: bool = False) -> Card:
    """Open a score in the active language; the way to the next grade is searched, so only where it is shown."""
    run = score.run
    rubric = run.rubric_version.as_core()
    inputs = inputs_of(run)
    subject = str(score.provider_id)
    known = inputs is not None and LEFT not in score.flags and subject in inputs.subjects
    found = trace(rubric, inputs, subject) if inputs is not None and known else None
    return Card(
        score_id=score.pk,
        provider_id=score.provider_id,
        run_id=run.pk,
        as_of=run.as_of,
        through=run.as_of - timedelta(days=1),
        is_official=run.kind == run.Kind.OFFICIAL,
        status=score.status,
        total=None if score.published is None else rounded(score.published, rubric.published_decimals),
        grade=score.grade,
        rank=score.rank,
        of=run.rated,
        rubric=f"{rubric.code} {rubric.version}",
        scale=str(rubric.scale),
        capabilities=() if found is None else tuple(_capabilities(rubric, found)),
        gates=tuple(wording.of_gates(rubric, score.flags)),
        flags=tuple(wording.of_score(rubric, score.flags)),
        path=None
        if inputs is None or found is None or not with_path
        else _path(rubric, inputs, run.input_digest, subject, found.published),
    )


def indicator_card(score: Score, code: str) -> IndicatorCard | None:
    """Open one indicator of a score; None where the score has no such indicator."""
    return next(
        (leaf for part in card(score).capabilities for leaf in part.indicators if leaf.code == code),
        None,
    )


def _capabilities(rubric: Rubric, found: Trace) -> list[CapabilityCard]:
    cards = []
    for item in rubric.capabilities:
        line = found.line(item.code)
        leaves = [leaf for leaf in rubric.leaves() if leaf.code in _below(item)]
        cards.append(
            CapabilityCard(
                code=item.code,
                name=_name(item),
                points=line.shown,
                weight=_percent(line.share_after),
                contribution=line.shown_contribution,
                state="rated" if line.points is not None else "not_rated",
                reason=" ".join(wording.of_node(item, line.policies)),
                indicators=tuple(_indicator(leaf, found.line(leaf.code)) for leaf in leaves),
            )
        )
    return cards


def _below(item: Node | Leaf) -> set[str]:
    if isinstance(item, Leaf):
        return {item.code}
    return {code for child in item.children for code in _below(child)}


def _indicator(leaf: Leaf, line: Line) -> IndicatorCard:
    language = get_language() or "zh-hans"
    definition = leaf.about.get("definition", {})
    texts = definition if isinstance(definition, dict) else {}
    return IndicatorCard(
        code=leaf.code,
        name=_name(leaf),
        value="" if line.value is None or line.state is State.NOT_APPLICABLE else wording.value_text(leaf, line.value),
        points=line.shown,
        weight=_percent(line.share_after),
        contribution=line.shown_contribution,
        headroom=rounded(line.headroom, 1),
        state="" if line.state is None else line.state.name.lower(),
        reason=" ".join(wording.of_leaf(leaf, line)),
        numerator=wording.about(texts, "numerator", language),
        denominator=wording.about(texts, "denominator", language),
        numerator_value="" if line.numerator is None else wording.number_text(line.numerator),
        denominator_value="" if line.denominator is None else wording.number_text(line.denominator),
        formula=leaf.value.text,
        anti_gaming=wording.about(leaf.about, "anti_gaming", language),
        source=wording.about(leaf.about, "source", language),
        window_days=leaf.window,
        sample=wording.sample_text(leaf, line.count),
        # An operand read on different days for different formulas is shown once where it says the same.
        readings=tuple(dict.fromkeys(_reading(cell, language) for cell in line.cells)),
    )


def _reading(cell: Cell, language: str) -> ReadingCard:
    return ReadingCard(
        measure=cell.operand.measure,
        name=wording.measure_name(cell.operand.measure, language),
        window=wording.window_text(cell.operand),
        value="" if cell.value is None else wording.measure_text(cell.operand.measure, cell.value),
        state=wording.state_text(cell.state),
    )


def _path(rubric: Rubric, inputs: Inputs, digest: str, subject: str, total: Decimal | None) -> PathCard | None:
    """Word the way to the next grade; None at the best grade, and where there is none."""
    key = f"path:{code_version()}:{rubric.digest}:{digest}:{subject}"
    found = cast("Path", cache.get_or_set(key, lambda: to_next_grade(rubric, inputs, subject), PATH_KEPT_SECONDS))
    if found.grade is None or total is None:
        return None
    return PathCard(
        grade=found.grade,
        steps=tuple(_step(rubric, change, total) for change in found.changes[:STEPS_SHOWN]),
        together=tuple(_step(rubric, change, total) for change in found.mix),
        blocked_by=tuple(wording.of_gates(rubric, found.obstacles)),
    )


def _step(rubric: Rubric, change: Change, total: Decimal) -> StepCard:
    leaf = rubric.find(change.code)
    assert isinstance(leaf, Leaf)  # only indicators are moved
    return StepCard(
        code=change.code,
        name=_name(leaf),
        today=wording.value_text(leaf, change.value),
        needed=wording.value_text(leaf, change.needed),
        gain=change.published - total,
    )


def _name(item: Node | Leaf) -> str:
    return name_in(dict(item.name), get_language() or "zh-hans") or item.code


def _percent(share: Fraction) -> Decimal:
    return rounded(share * 100, 2)
