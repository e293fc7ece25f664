"""The reading side of a score: one card per score, computed by the scoring core from the run's frozen inputs.

Pages, admin and API show these objects and derive nothing. A card costs one query (the inputs, cached by digest) when
the score comes with its run and rubric version (``current.score_of`` or ``select_related("run__rubric_version")``).
Beside every number as shown stands the exact, unrounded one as text with 34 significant digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, cast

from django.core.cache import cache
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ecosystem.numerals import rounded
from ecosystem.version import code_version
from scoring import wording
from scoring.cards import (
    CapabilityCard,
    Card,
    IndicatorCard,
    PathCard,
    ReadingCard,
    StabilityCard,
    StepCard,
    TierCard,
)
from scoring.core.exact import text
from scoring.core.explain import Cell, Line, trace
from scoring.core.inputs import State
from scoring.core.path import to_lower_grade, to_next_grade
from scoring.core.rubric import Leaf
from scoring.core.stability import NOISE
from scoring.current import name_in, standing_of
from scoring.models import RunInput, RunStability, Score
from scoring.models.scores import LEFT
from scoring.models.stability import stands_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from scoring.core.explain import Trace
    from scoring.core.inputs import Inputs
    from scoring.core.path import Change, Path
    from scoring.core.rubric import Node, Rubric
    from scoring.models import Run, Standing

STEPS_SHOWN = 8
KEPT_SECONDS = 24 * 3600


def card(score: Score, *, with_path: bool = False, standings: Sequence[Standing] | None = None) -> Card:
    """Open a score in the active language; the ways to other grades are searched, so only where they are shown.

    standings: the provider's newest, where the caller has read them.
    """
    run = score.run
    rubric = run.rubric_version.as_core()
    inputs = RunInput.objects.matrix(run)
    subject = str(score.provider_id)
    known = inputs is not None and LEFT not in score.flags and subject in inputs.subjects
    found = trace(rubric, inputs, subject) if inputs is not None and known else None
    searched = (
        _Searched(rubric, inputs, run.input_digest, subject, found.published)
        if inputs is not None and found is not None and found.published is not None and with_path
        else None
    )
    firm, note = (None, "") if searched is None else _stability(run, score.provider_id)
    return Card(
        score_id=score.pk,
        provider_id=score.provider_id,
        run_id=run.pk,
        as_of=run.as_of,
        through=run.as_of - timedelta(days=1),
        is_official=run.kind == run.Kind.OFFICIAL,
        status=score.status,
        total=None if score.published is None else rounded(score.published, rubric.published_decimals),
        exact_total=None if found is None or found.total is None else text(found.total),
        grade=score.grade,
        grade_before_floors="" if found is None else found.grade_before_floors or "",
        rank=score.rank,
        of=run.rated,
        rubric=f"{rubric.code} {rubric.version}",
        scale=str(rubric.scale),
        capabilities=() if found is None else tuple(_capabilities(rubric, found)),
        gates=tuple(wording.of_gates(rubric, score.flags)),
        flags=tuple(wording.of_score(rubric, score.flags)),
        path=None if searched is None else _path(searched, to_next_grade),
        loses=None if searched is None else _path(searched, to_lower_grade),
        tiers=tiers(standing_of(score.provider_id) if standings is None else standings) if with_path else (),
        stability=firm,
        stability_note=note,
    )


def tiers(standings: Iterable[Standing]) -> tuple[TierCard, ...]:
    """Say for every open plan what is missing to the next tier, and what the present one could lose."""
    language = get_language() or "zh-hans"
    cards = []
    for standing in standings:
        plan, band, further = standing.plan, standing.band, standing.next_band
        floor = None if band is None else band.at_least
        cards.append(
            TierCard(
                plan=plan.code,
                plan_name=name_in({"zh-hans": plan.name_zh, "en": plan.name_en}, language),
                as_of=standing.as_of,
                value=int(standing.value),
                tier="" if band is None else name_in({"zh-hans": band.name_zh, "en": band.name_en}, language),
                next_tier=""
                if further is None
                else name_in({"zh-hans": further.name_zh, "en": further.name_en}, language),
                missing=None if standing.gap is None else int(standing.gap),
                spare=None if floor is None else int(standing.value - floor),
            )
        )
    return tuple(cards)


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
                exact_points=_exact(line.points),
                weight_written=_percent(line.share),
                weight=_percent(line.share_after),
                contribution=line.shown_contribution,
                exact_contribution=text(line.contribution),
                headroom=rounded(line.headroom, 1),
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
        exact_value=_exact(line.value),
        points=line.shown,
        exact_points=_exact(line.points),
        weight_written=_percent(line.share),
        weight=_percent(line.share_after),
        contribution=line.shown_contribution,
        exact_contribution=text(line.contribution),
        headroom=rounded(line.headroom, 1),
        state="" if line.state is None else line.state.name.lower(),
        policies=line.policies,
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
        read=cell.operand.read,
        days=cell.operand.days,
        window=wording.window_text(cell.operand),
        value="" if cell.value is None else wording.measure_text(cell.operand.measure, cell.value),
        exact_value=_exact(cell.value),
        state=wording.state_text(cell.state),
    )


@dataclass(frozen=True, slots=True)
class _Searched:
    """What searches start from; their results are cached by the digests of rubric and inputs."""

    rubric: Rubric
    inputs: Inputs
    digest: str
    subject: str
    total: Decimal

    def key(self, kind: str, subject: str = "") -> str:
        """Name a result in the cache."""
        return f"{kind}:{code_version()}:{self.rubric.digest}:{self.digest}:{subject}"


def _path(searched: _Searched, search: Callable[[Rubric, Inputs, str], Path]) -> PathCard | None:
    """Word the way to another grade; None where there is none further."""
    rubric = searched.rubric
    found = cast(
        "Path",
        cache.get_or_set(
            searched.key(search.__name__, searched.subject),
            lambda: search(rubric, searched.inputs, searched.subject),
            KEPT_SECONDS,
        ),
    )
    if found.grade is None:
        return None
    return PathCard(
        grade=found.grade,
        steps=tuple(_step(rubric, change, searched.total) for change in found.changes[:STEPS_SHOWN]),
        together=tuple(_step(rubric, change, searched.total) for change in found.mix),
        within=Decimal(ceil(found.within * 1000)) / 10,
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
        facts="" if change.operand is None else wording.moved_text(change.operand, change.units),
        units=change.units,
        gain=change.published - total,
    )


def _stability(run: Run, provider_id: int) -> tuple[StabilityCard | None, str]:
    """Say how firmly the score stands, as drawn by a worker; or why that is not known."""
    drawn = RunStability.objects.of_one(run, provider_id)
    if drawn is None:
        if run in RunStability.objects.lacking():
            return None, _("This is being computed. Look again in a moment.")
        return None, _("This is computed for today's score and for official ones.")
    shown = StabilityCard(
        draws=drawn.draws,
        noise_percent=rounded(NOISE * 100, 0),
        same_grade=rounded(Fraction(drawn.same_grade, drawn.draws) * 100, 1),
        rank_low=drawn.rank_low,
        rank_high=drawn.rank_high,
        drawn_at=drawn.drawn_at,
    )
    return shown, "" if drawn.digest == stands_on(run) else _("Drawn before the newest facts came in.")


def _name(item: Node | Leaf) -> str:
    return name_in(dict(item.name), get_language() or "zh-hans") or item.code


def _percent(share: Fraction) -> Decimal:
    return rounded(share * 100, 2)


def _exact(value: Fraction | None) -> str | None:
    return None if value is None else text(value)
