"""What a draft reads: a run's frozen inputs, and beside them the columns that its own rubric did not need."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from scoring.core.carried import laid_before, not_frozen
from scoring.core.cohorts import freeze
from scoring.core.points import Percentile, ZScore
from scoring.core.score import Scores, score
from scoring.errors import NothingToScore
from scoring.models import Run, RunInput
from scoring.steps.windows import cycle_of, window_table

if TYPE_CHECKING:
    from scoring.core.formula import Operand
    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric

KEPT = 4


@dataclass(frozen=True, slots=True)
class DraftInputs:
    """The table a draft is scored on; ``added`` was not frozen with the run and is measured as it is known now."""

    run: Run
    inputs: Inputs
    added: tuple[Operand, ...]


class _Recent[K, V](OrderedDict[K, V]):
    """The few things used last."""

    def keep(self, key: K, value: V) -> V:
        self[key] = value
        self.move_to_end(key)
        while len(self) > KEPT:
            self.popitem(last=False)
        return value


# Per process: what-ifs come in series on one run, and what a series shares is read and scored once.
_WIDER: _Recent[tuple[int, tuple[Operand, ...]], tuple[Inputs, Inputs]] = _Recent()
_CYCLES: _Recent[tuple[int, tuple[Operand, ...], bytes], tuple[Inputs, Inputs]] = _Recent()
_SCORES: _Recent[tuple[int, str], Scores] = _Recent()


def draft_inputs(run: Run, rubric: Rubric) -> DraftInputs:
    """Return the run's frozen inputs, with what else the draft reads computed by the ordinary windows step."""
    whole = RunInput.objects.matrix(run)
    if whole is None:
        raise NothingToScore(_("No run has scores yet."))
    added = tuple(operand for operand in rubric.operands() if operand not in whole.columns)
    if added:
        frozen, known = _WIDER.get((id(whole), added), (None, None))
        if known is None or frozen is not whole:
            known = _with_columns(whole, run, added)
            _WIDER.keep((id(whole), added), (whole, known))
        whole = known
    if whole.previous is not None:
        whole = _with_cycle(whole, run, rubric)
    if any(isinstance(leaf.points, Percentile | ZScore) for leaf in rubric.leaves()):
        whole = freeze(rubric, whole)
    return DraftInputs(run, whole, added)


def base_scores(rubric: Rubric, inputs: Inputs) -> Scores:
    """Score the rubric a draft is compared with, once per process and table."""
    known = _SCORES.get((id(inputs), rubric.digest))
    if known is not None and known.inputs is inputs:
        return known
    return _SCORES.keep((id(inputs), rubric.digest), score(rubric, inputs))


def _with_columns(inputs: Inputs, run: Run, operands: tuple[Operand, ...]) -> Inputs:
    ids = [int(subject) for subject in inputs.subjects]
    return inputs.with_columns(window_table(operands, as_of=run.as_of, providers=ids).columns)


def _with_cycle(inputs: Inputs, run: Run, rubric: Rubric) -> Inputs:
    """Add what the draft carries points from, where the run's own rubric carried none."""
    frozen = run.rubric_version.as_core()
    wanted = not_frozen(rubric, inputs, frozen)
    if not wanted.operands:
        return inputs
    key = (id(inputs), wanted.operands, wanted.whose.tobytes())
    base, known = _CYCLES.get(key, (None, None))
    if known is None or base is not inputs:
        known = laid_before(inputs, cycle_of(inputs, wanted, as_of=run.as_of), frozen)
        _CYCLES.keep(key, (inputs, known))
    return known
