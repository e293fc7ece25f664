"""Why a score is not what it was: the change between any two scores of a provider, by cause, with no residual.

The two ends are the frozen inputs of the runs; what lies between them is rolled up again as it was known
(``steps/as_known.py``), and the scoring core splits the change (``core/change.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from django.core.cache import cache
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from ecosystem.errors import InvalidInput
from ecosystem.numerals import rounded
from ecosystem.version import code_version
from scoring import wording
from scoring.change_evidence import BatchChange, BindingChange, binding_changes, corrected_rows, restating_batches
from scoring.core.change import CAUSES, Between, by_cause
from scoring.core.exact import text
from scoring.core.explain import largest_remainder
from scoring.core.inputs import State
from scoring.current import name_in
from scoring.explanations import card
from scoring.models import RunInput
from scoring.steps.as_known import BINDINGS, DATA, RESTATEMENTS, worlds
from scoring.steps.known.aside import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from django.utils.functional import _StrPromise

    from scoring.cards import Card, IndicatorCard
    from scoring.core.change import Worth
    from scoring.core.formula import Operand
    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Leaf, Rubric
    from scoring.models import Score

KEPT_SECONDS = 24 * 3600
DECIMALS = 2
NAMED = 3  # corrections of one kind named beside their cause
NAMES: dict[str, _StrPromise] = {
    DATA: gettext_lazy("New data"),
    BINDINGS: gettext_lazy("Bindings"),
    RESTATEMENTS: gettext_lazy("Corrected data"),
    "rubric": gettext_lazy("Rules"),
    "coverage": gettext_lazy("Completeness"),
}
MEANINGS: dict[str, _StrPromise] = {
    DATA: gettext_lazy("The window moved on: new days came in, old days fell out."),
    BINDINGS: gettext_lazy("Merchants and streamers that were newly bound, or whose earlier binding was corrected."),
    RESTATEMENTS: gettext_lazy(
        "Facts, cases, certificates or benchmarks about days before the earlier score, delivered or corrected since."
    ),
    "rubric": gettext_lazy("Another version of the rules: weights, scales or formulas."),
    "coverage": gettext_lazy("Figures that were known then and are not now, or the other way round."),
}


@dataclass(frozen=True, slots=True)
class CauseCard:
    """One cause: its part of the change in points, as shown and exact, and what happened, in words."""

    cause: str
    name: str
    meaning: str
    points: Decimal
    exact: str
    happened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndicatorChange:
    """One indicator in both scores, and what each cause did to its contribution, in the order of the causes."""

    code: str
    name: str
    value_before: str
    value_after: str
    points_before: Decimal | None
    points_after: Decimal | None
    by_cause: tuple[Decimal, ...]
    exact_by_cause: tuple[str, ...]
    change: Decimal


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """Two scores and the way between them; shown parts add up to ``change`` and exact parts to ``exact_change``.

    reason: why there are no parts (a score that is not rated has no total); whole: measures that could not be rolled
    up again as they were known, whose change counts whole as ``whole_as``.
    """

    before: Card
    after: Card
    published_change: Decimal | None
    change: Decimal | None
    exact_change: str | None
    causes: tuple[CauseCard, ...]
    indicators: tuple[IndicatorChange, ...]
    bindings: tuple[BindingChange, ...]
    batches: tuple[BatchChange, ...]
    reason: str
    whole: tuple[str, ...]
    whole_as: str


def change(before: Score, after: Score) -> ChangeCard:
    """Explain the change from one score to a later one of the same provider."""
    if before.provider_id != after.provider_id:
        raise InvalidInput(_("Two scores of one provider are compared."))
    if _order(before) > _order(after):
        before, after = after, before
    opened = card(before), card(after)
    rated = before.published is not None and after.published is not None
    found = _split(before, after) if rated else None
    if found is None:
        reason = (
            _("One of the two scores is not rated, so there is no total to compare.")
            if not rated
            else _("Between the two scores there is a state in which too little is known to rate; no parts are given.")
        )
        return ChangeCard(*opened, None, None, None, (), (), (), (), reason, (), "")
    parts, unled, turned = found
    total = sum((amount for amounts in parts.values() for amount in amounts.values()), Fraction(0))
    shown = _shown(parts, total)
    language = get_language() or "zh-hans"
    bindings = binding_changes(after.provider_id, _moment(before), _moment(after))
    batches = restating_batches(after.provider_id, _moment(before), _moment(after))
    corrected = corrected_rows(after.provider_id, _moment(before), _moment(after))
    happened = {
        BINDINGS: _counted(bindings),
        RESTATEMENTS: (*(_("Batch %(key)s") % {"key": one.key} for one in batches[:NAMED]), *corrected[:NAMED]),
        "rubric": _rules(before, after),
        "coverage": tuple(
            _("%(measure)s: %(before)s → %(after)s")
            % {
                "measure": wording.measure_name(measure, language),
                "before": wording.state_text(State(old)),
                "after": wording.state_text(State(new)),
            }
            for measure, old, new in turned
        ),
    }
    return ChangeCard(
        *opened,
        published_change=_published(after) - _published(before),
        change=rounded(total, DECIMALS),
        exact_change=text(total),
        causes=tuple(
            CauseCard(
                cause=cause,
                name=str(NAMES[cause]),
                meaning=str(MEANINGS[cause]),
                points=sum(shown[cause].values(), rounded(0, DECIMALS)),
                exact=text(sum(parts[cause].values(), Fraction(0))),
                happened=happened.get(cause, ()) if cause != RESTATEMENTS or any(parts[cause].values()) else (),
            )
            for cause in CAUSES
        ),
        indicators=tuple(_indicators(opened, parts, shown)),
        bindings=bindings,
        batches=batches,
        reason="",
        whole=tuple(dict.fromkeys(wording.measure_name(code, language) for code in unled)),
        whole_as=str(NAMES[_whole(before, after)]),
    )


def _order(score: Score) -> tuple[object, ...]:
    return score.run.as_of, score.run.cut_off, score.run_id


def _published(score: Score) -> Decimal:
    assert score.published is not None  # asked before
    return rounded(score.published, score.run.rubric_version.as_core().published_decimals)


def _whole(before: Score, after: Score) -> str:
    """Name the cause of what cannot be split: on one day no window moves, so it was corrected."""
    return RESTATEMENTS if before.run.as_of == after.run.as_of else DATA


# Parts, measures that could not be split, and (measure, state before, state after) of what came to be known or not.
type Found = tuple[Mapping[str, Worth], tuple[str, ...], tuple[tuple[str, int, int], ...]]


def _split(before: Score, after: Score) -> Found | None:
    """Split the change, once for both scores' inputs and rules; None where a state between them is not rated."""
    rubrics = before.run.rubric_version.as_core(), after.run.rubric_version.as_core()
    digests = [rubric.digest for rubric in rubrics] + [before.run.input_digest, after.run.input_digest]
    key = ":".join(["change", code_version(), *(digest[:16] for digest in digests), str(after.provider_id)])
    found = cast("Found | None", cache.get(key))
    if found is None:
        found = _computed(before, after, rubrics)
        if found is not None:
            cache.set(key, found, KEPT_SECONDS)
    return found


def _computed(before: Score, after: Score, rubrics: tuple[Rubric, Rubric]) -> Found | None:
    subject = str(after.provider_id)
    ends = _alone(before, subject), _alone(after, subject)
    if ends[0] is None or ends[1] is None:
        return None
    operands = {operand for rubric in rubrics for operand in rubric.operands()}
    found = worlds(after.provider_id, operands, _moment(before), _moment(after))
    between = Between(subject, rubrics, (ends[0], ends[1]), found, _whole(before, after))
    try:
        moved = by_cause(subject, between.scenario, between.causes)
    except ValueError:
        return None
    nothing = dict.fromkeys(next(iter(moved.values())), Fraction(0))
    parts = {cause: moved.get(cause, nothing) for cause in CAUSES}
    unled = tuple(dict.fromkeys(operand.measure for operand in between.unled()))
    return parts, unled, tuple(_turned(ends[0], ends[1], sorted(operands)))


def _moment(score: Score) -> Moment:
    return Moment(score.run.as_of, score.cut_off)


def _alone(score: Score, subject: str) -> Inputs | None:
    inputs = RunInput.objects.matrix(score.run)
    return None if inputs is None or subject not in inputs.subjects else inputs.take([inputs.row(subject)])


def _turned(before: Inputs, after: Inputs, operands: Sequence[Operand]) -> Iterator[tuple[str, int, int]]:
    """Find the measures that came to be known or no longer are, with both states."""
    told = set()
    for operand in operands:
        old, new = before.columns.get(operand), after.columns.get(operand)
        if old is None or new is None or operand.measure in told:
            continue
        if bool(old.known[0]) != bool(new.known[0]):
            told.add(operand.measure)
            yield operand.measure, int(old.state[0]), int(new.state[0])


def _shown(parts: Mapping[str, Worth], total: Fraction) -> dict[str, dict[str, Decimal]]:
    """Round every part so that causes and indicators add up to the change as shown."""
    scale = 10**DECIMALS
    sums = [sum(amounts.values(), Fraction(0)) for amounts in parts.values()]
    causes = largest_remainder([amount * scale for amount in sums], int(rounded(total, DECIMALS) * scale))
    shown: dict[str, dict[str, Decimal]] = {}
    for (cause, amounts), units in zip(parts.items(), causes, strict=True):
        cells = largest_remainder([amount * scale for amount in amounts.values()], units)
        shown[cause] = {
            code: rounded(Fraction(cell, scale), DECIMALS) for code, cell in zip(amounts, cells, strict=True)
        }
    return shown


def _indicators(
    opened: tuple[Card, Card], parts: Mapping[str, Worth], shown: Mapping[str, Mapping[str, Decimal]]
) -> list[IndicatorChange]:
    before, after = ({leaf.code: leaf for part in one.capabilities for leaf in part.indicators} for one in opened)
    rows = []
    for code in dict.fromkeys([*after, *before]):
        cells = tuple(shown[cause].get(code, rounded(0, DECIMALS)) for cause in CAUSES)
        old, new = before.get(code), after.get(code)
        rows.append(
            IndicatorChange(
                code=code,
                name=(new or cast("IndicatorCard", old)).name,
                value_before="" if old is None else old.value,
                value_after="" if new is None else new.value,
                points_before=None if old is None else old.points,
                points_after=None if new is None else new.points,
                by_cause=cells,
                exact_by_cause=tuple(text(parts[cause].get(code, Fraction(0))) for cause in CAUSES),
                change=sum(cells, rounded(0, DECIMALS)),
            )
        )
    return sorted(rows, key=lambda row: (-max(map(abs, row.by_cause)), row.code))


def _counted(changes: Sequence[BindingChange]) -> tuple[str, ...]:
    counts = [(kind, sum(one.kind == kind for one in changes)) for kind in ("begun", "ended", "corrected")]
    words = {
        "begun": _("%(count)d begun"),
        "ended": _("%(count)d ended"),
        "corrected": _("%(count)d corrected afterwards"),
    }
    return tuple(words[kind] % {"count": count} for kind, count in counts if count)


def _rules(before: Score, after: Score) -> tuple[str, ...]:
    """Say which indicators are judged by other rules."""
    versions = before.run.rubric_version, after.run.rubric_version
    if versions[0].digest == versions[1].digest:
        return ()
    language = get_language() or "zh-hans"
    old, new = ({leaf.code: leaf for leaf in version.as_core().leaves()} for version in versions)
    named = [
        f"{name_in(dict((new.get(code) or old[code]).name), language) or code}"
        for code in dict.fromkeys([*new, *old])
        if _differs(old.get(code), new.get(code))
    ]
    moved = _("%(before)s → %(after)s") % {"before": versions[0], "after": versions[1]}
    return (moved, *named)


def _differs(old: Leaf | None, new: Leaf | None) -> bool:
    return old is None or new is None or replace(old, name={}, about={}) != replace(new, name={}, about={})
