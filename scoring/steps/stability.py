"""Draw how firmly a run's grades and ranks stand: after its scores and apart from them, once for everybody.

It takes a second at 10,000 providers and minutes at 200,000. So one worker at a time draws, one run a step, at low
priority; what has been superseded meanwhile is not drawn at all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils import timezone

from ecosystem.ledger import Done, Mark
from providers.steps.copy_in import copy_in
from scoring.core.inputs import Inputs
from scoring.core.rubric import Rubric
from scoring.core.score import Scores, score
from scoring.core.stability import Stability, stability
from scoring.models import Run, RunInput, RunStability
from scoring.models.stability import BLOCK, stands_on

KIND = "stability"
EVERY_RUN = Mark(KIND, "runs")  # one scope for all runs: two workers never draw at once
NICENESS = 10


def handle(scopes: Mapping[str, date | None]) -> Done:
    """Draw the most urgent run that lacks its stability, for the ledger; the others follow one by one."""
    lacking = RunStability.objects.lacking()
    if not lacking:
        return Done()
    draw(lacking[0])
    return Done(1, [EVERY_RUN] if lacking[1:] else [])


def draw(run: Run) -> None:
    """Draw a run's stability from its inputs and keep it; of provisional runs only the newest drawn is kept."""
    rubric, inputs = run.rubric_version.as_core(), RunInput.objects.get(run=run).as_core()
    seed = f"{rubric.digest}:{run.input_digest}".encode()
    scores, drawn = _behind_others(rubric, inputs, seed)
    providers = np.array([int(subject) for subject in scores.subjects], dtype=np.int64)
    rated = np.flatnonzero(scores.rated)
    rated = rated[np.argsort(providers[rated])]
    columns = {
        "providers": providers[rated],
        "same_grade": np.rint(drawn.same_grade[rated] * drawn.draws).astype(np.int64),
        "rank_low": drawn.rank_low[rated],
        "rank_high": drawn.rank_high[rated],
    }
    blocks = columns["providers"] // BLOCK
    about: dict[str, Any] = {"run": run, "digest": stands_on(run), "draws": drawn.draws, "drawn_at": timezone.now()}
    replaced = Q(run=run) if run.kind == Run.Kind.OFFICIAL else Q(run__kind=Run.Kind.PROVISIONAL)
    RunStability.objects.filter(replaced).delete()
    kept = []
    for block in np.union1d(blocks, [0]).tolist():
        part = slice(*np.searchsorted(blocks, [block, block + 1]))
        found = {name: values[part].tolist() for name, values in columns.items()}
        kept.append(RunStability(block=block, **about, **found))
    copy_in(kept)


def _behind_others(rubric: Rubric, inputs: Inputs, seed: bytes) -> tuple[Scores, Stability]:
    """Compute in a thread of low priority, which ends with it: a process could not raise its own again."""

    def work() -> tuple[Scores, Stability]:
        with suppress(OSError):  # where threads have no priority of their own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        scores = score(rubric, inputs)
        return scores, stability(scores, seed=seed)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
