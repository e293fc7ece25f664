"""Freeze the groups of subjects that percentiles and z-scores are read against."""

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

from scoring.core.evaluate import found
from scoring.core.exact import ExactField
from scoring.core.inputs import Cohort, Inputs
from scoring.core.points import Percentile, ZScore
from scoring.core.rubric import Rubric


def freeze(rubric: Rubric, inputs: Inputs) -> Inputs:
    """Take the cohorts that neither the rubric nor the inputs bring along from the values of the inputs themselves.

    A cohort holds the values of the subjects that have one: applicable, known and of sufficient sample.
    """
    known = {code for code, _ in (*rubric.cohorts, *inputs.cohorts)}
    cohorts = dict(inputs.cohorts)
    labels = inputs.cohort_of if inputs.cohort_of is not None else ("",) * len(inputs.subjects)
    for leaf in rubric.leaves():
        if not isinstance(leaf.points, Percentile | ZScore) or leaf.code in known:
            continue
        result = found(leaf, inputs, ExactField(len(inputs.subjects)))
        groups: dict[str, list[Fraction]] = defaultdict(list)
        for label, there, value in zip(labels, result.verdict.open, result.value.number.fractions(), strict=True):
            if there:
                groups[label].append(value)
        cohorts.update({(leaf.code, label): Cohort.of(values) for label, values in groups.items()})
    return replace(inputs, cohorts=cohorts)
