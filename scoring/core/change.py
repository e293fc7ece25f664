"""Attribute the change between two scores to its causes, whatever the order in which they came."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from math import factorial

from scoring.core.explain import contributions, trace
from scoring.core.inputs import Inputs
from scoring.core.rubric import Rubric

# The five causes of the contract, in the order they are shown.
CAUSES = ("data", "bindings", "restatements", "rubric", "coverage")

type Worth = Mapping[str, Fraction]
type Scenario = Callable[[frozenset[str]], tuple[Rubric, Inputs]]


def shapley(causes: Sequence[str], worth: Callable[[frozenset[str]], Worth]) -> Mapping[str, Worth]:
    """Split worth(all causes) − worth(none) into exact parts per cause and item, which add up without residual.

    worth: for a set of causes that have happened, an amount per item (absent items are 0); called once per set.
    """
    worths = {
        frozenset(chosen): worth(frozenset(chosen))
        for size in range(len(causes) + 1)
        for chosen in combinations(causes, size)
    }
    items = dict.fromkeys(item for amounts in worths.values() for item in amounts)
    return {cause: {item: _value(cause, causes, worths, item) for item in items} for cause in causes}


def by_cause(subject: str, scenario: Scenario, causes: Sequence[str] = CAUSES) -> Mapping[str, Worth]:
    """Say what each cause did to a subject's unrounded total, indicator by indicator.

    scenario: the rubric and the inputs that hold when only these causes have happened; with none it gives the earlier
    score, with all the later one. Summing a cause over its indicators gives its part of the change.
    ValueError if a scenario leaves the subject without a rating, for then there is no total to compare.
    """

    def worth(happened: frozenset[str]) -> Worth:
        found = trace(*scenario(happened), subject)
        if found.total is None:
            named = ", ".join(sorted(happened)) or "no cause"
            raise ValueError(f"{subject} is not rated after {named}, a rated score is needed on both sides")
        return contributions(found.lines)

    return shapley(causes, worth)


def _value(cause: str, causes: Sequence[str], worths: Mapping[frozenset[str], Worth], item: str) -> Fraction:
    """Average what a cause adds over all orders in which the causes can happen."""
    others = [other for other in causes if other != cause]
    total = Fraction(0)
    for size in range(len(others) + 1):
        weight = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(causes)))
        for chosen in combinations(others, size):
            before = frozenset(chosen)
            gain = worths[before | {cause}].get(item, Fraction(0)) - worths[before].get(item, Fraction(0))
            total += weight * gain
    return total
