"""What a provider's score would be with other values of its own indicators, computed by the scoring core."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from ecosystem.errors import InvalidInput
from ecosystem.numerals import rounded
from scoring import wording
from scoring.core.exact import text
from scoring.core.explain import trace
from scoring.core.inputs import State
from scoring.core.own_what_if import tried
from scoring.core.points import Anchors, Steps
from scoring.current import name_in
from scoring.models import RunInput, Score
from scoring.models.scores import LEFT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scoring.core.explain import Line, Trace
    from scoring.core.rubric import Leaf, Rubric

SHOWN_DECIMALS = 4
SLIDER_STEPS = 200
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is published of a score; rank among ``of`` rated providers, all others as they are."""

    published: Decimal | None
    exact: str | None
    grade: str
    rank: int | None
    of: int
    status: str
    gates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """Points of one capability or indicator before and after; value texts only for indicators."""

    code: str
    name: str
    before: Decimal | None
    after: Decimal | None
    value_before: str = ""
    value_after: str = ""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A score as it is and as it would be."""

    before: Outcome
    after: Outcome
    capabilities: tuple[Moved, ...]
    indicators: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class Lever:
    """One indicator that can be tried: its value today and as asked, as the field shows them (shares in percent).

    low, high, step: the reach of a slider, from the indicator's own scale. error: why what was asked is no value.
    """

    code: str
    name: str
    unit: str
    today: str
    asked: str
    low: str
    high: str
    step: str
    error: str = ""


class Bench:
    """A provider's score laid out to be tried on; ``rubric`` and today's trace are read once."""

    def __init__(self, score: Score) -> None:
        inputs = RunInput.objects.matrix(score.run)
        subject = str(score.provider_id)
        if inputs is None or LEFT in score.flags or subject not in inputs.subjects:
            raise InvalidInput(_("This score cannot be tried: its inputs are not kept."))
        self._score = score
        self._inputs = inputs
        self.rubric: Rubric = score.run.rubric_version.as_core()
        self.today: Trace = trace(self.rubric, inputs, subject)

    def open_leaves(self) -> Iterator[tuple[Leaf, Line]]:
        """List the indicators that have a value now; what does not apply or is not known cannot be tried."""
        for leaf in self.rubric.leaves():
            line = self.today.line(leaf.code)
            if line.state in (State.VALUE, State.DISPUTED) and line.value is not None:
                yield leaf, line

    def levers(self, asked: Mapping[str, str]) -> tuple[list[Lever], dict[str, Fraction]]:
        """Lay out the indicators with what is asked of them, and return the values that differ from today's."""
        levers: list[Lever] = []
        values: dict[str, Fraction] = {}
        for leaf, line in self.open_leaves():
            assert line.value is not None
            factor = 100 if wording.is_share(leaf) else 1
            today = _field(line.value * factor)
            written = asked.get(leaf.code, "").strip() or today
            error = ""
            if not _NUMBER.fullmatch(written):
                error = _("“%(found)s” is not a number such as 12.5.") % {"found": written[:40]}
            elif written != today:
                values[leaf.code] = Fraction(written) / factor
            low, high, step = _reach(leaf, line.value, factor)
            unit = "%" if factor == 100 else wording.unit_text(leaf)
            levers.append(Lever(leaf.code, _name(leaf.name, leaf.code), unit, today, written, low, high, step, error))
        return levers, values

    def outcome(self, values: Mapping[str, Fraction]) -> WhatIf:
        """Score with these values in place of today's; InvalidInput names an indicator that cannot be tried."""
        closed = sorted(set(values) - {leaf.code for leaf, _line in self.open_leaves()})
        if closed:
            raise InvalidInput(
                _("These have no value that could be changed: %(codes)s.") % {"codes": ", ".join(closed)[:200]}
            )
        after = tried(self.rubric, self._inputs, self.today.subject, values) if values else self.today
        return WhatIf(
            before=self._outcome(self.today),
            after=self._outcome(after),
            capabilities=tuple(self._moved([item.code for item in self.rubric.capabilities], after)),
            indicators=tuple(self._moved(list(values), after)),
        )

    def _outcome(self, found: Trace) -> Outcome:
        return Outcome(
            published=found.published,
            exact=None if found.total is None else text(found.total),
            grade=found.grade or "",
            rank=self._rank(found.published),
            of=self._score.run.rated,
            status=found.status,
            gates=tuple(wording.of_gates(self.rubric, found.flags)),
        )

    def _rank(self, published: Decimal | None) -> int | None:
        if published is None:
            return None
        others = Score.objects.of(self._score.run).exclude(pk=self._score.pk)
        return others.filter(published__gt=published).count() + 1

    def _moved(self, codes: Sequence[str], after: Trace) -> Iterator[Moved]:
        leaves = {leaf.code: leaf for leaf in self.rubric.leaves()}
        for code in codes:
            before, then = self.today.line(code), after.line(code)
            texts = [
                "" if code not in leaves or line.value is None else wording.value_text(leaves[code], line.value)
                for line in (before, then)
            ]
            yield Moved(code, _name(self.rubric.find(code).name, code), before.shown, then.shown, *texts)


def _name(names: Mapping[str, str], code: str) -> str:
    return name_in(dict(names), get_language() or "zh-hans") or code


def _field(value: Fraction) -> str:
    """Write a value as a number field holds it."""
    written = format(rounded(value, SHOWN_DECIMALS), "f")
    return written.rstrip("0").rstrip(".") if "." in written else written


def _reach(leaf: Leaf, value: Fraction, factor: int) -> tuple[str, str, str]:
    """Choose a slider's ends and step: the indicator's scale, widened to the value it has."""
    match leaf.points:
        case Anchors(pairs) | Steps(pairs):
            places = [place for place, _points in pairs]
        case _:
            places = [Fraction(0), 2 * abs(value) or Fraction(1)]
    low, high = min(*places, value) * factor, max(*places, value) * factor
    step = Fraction(1, 10**SHOWN_DECIMALS)
    while step * SLIDER_STEPS < high - low:
        step *= 10
    return _field(low), _field(high), _field(step)
