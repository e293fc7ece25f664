"""Who comes when decides nothing; and the schedules that show it would notice a ledger that is wrong."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from ecosystem import ledger
from tests.jobs.schedules import SCHEDULES, fresh

pytestmark = pytest.mark.django_db(transaction=True)

SOURCE = Path(ledger.__file__).read_text()
# What is broken → (the text of the ledger, what stands there instead), and the schedule that notices.
MUTANTS: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "a step takes no lock": (
        ((".select_for_update(skip_locked=True, no_key=True)\n        ", ""),),
        "a_claimer_that_sleeps_through_its_claim",
    ),
    "a step waits for a lock": (
        (("select_for_update(skip_locked=True", "select_for_update(skip_locked=False"),),
        "a_claimer_that_sleeps_through_its_claim",
    ),
    "a claim takes no lock": (((' FOR NO KEY UPDATE OF scope SKIP LOCKED"', '"'),), "a_locked_scope_is_passed_by"),
    "a claim waits for a lock": ((("OF scope SKIP LOCKED", "OF scope"),), "a_locked_scope_is_passed_by"),
    "a claim keeps nobody away": (
        ((" not_before = clock_timestamp() + make_interval", " not_before = clock_timestamp() - make_interval"),),
        "a_claimed_scope_is_left_alone",
    ),
    "the backoff is not looked at": (
        ((" AND scope.not_before <= clock_timestamp()", ""),),
        "a_claimed_scope_is_left_alone",
    ),
    "new scopes are inserted without regard": ((("ON CONFLICT DO NOTHING", ""),), "two_claims_of_a_new_scope"),
    "marks are deleted by scope": (
        (("WorkMark.objects.filter(pk__in=read).delete()", "marks.delete()"),),
        "a_change_before_the_commit",
    ),
    "marks are read after the facts": (
        (
            (
                '    checkpoint("computed")\n',
                '    read = list(marks.values_list("pk", flat=True))\n    checkpoint("computed")\n',
            ),
        ),
        "a_change_while_the_handler_runs",
    ),
    "marks stay": ((("    WorkMark.objects.filter(pk__in=read).delete()\n", ""),), "success_after_success"),
    "attempts are counted late": (
        (("SET attempts = attempts + 1, changed_at", "SET changed_at"),),
        "a_death_is_counted",
    ),
    "who dies at the last attempt is tried again": (
        (
            (
                " state = CASE WHEN attempts >= %s THEN 'parked' ELSE state END,",
                " state = CASE WHEN %s > 0 THEN state END,",
            ),
        ),
        "a_death_is_counted",
    ),
    "a failure never parks": (
        (("WHEN attempts >= %s THEN 'parked' ELSE 'retry' END", "WHEN %s > 0 THEN 'retry' END"),),
        "a_poisoned_scope",
    ),
    "a failed batch comes together again": (
        (("chosen = fresh or [scope for scope, _, _ in due[:1]]", "chosen = [scope for scope, _, _ in due]"),),
        "a_poisoned_scope",
    ),
    "the others of a failed batch wait": (
        (("not_before = CASE WHEN %s THEN clock_timestamp() ELSE", "not_before = CASE WHEN %s THEN not_before ELSE"),),
        "a_poisoned_scope",
    ),
    "parked scopes are claimed": (((" AND scope.state <> 'parked'", ""),), "a_poisoned_scope"),
    "success keeps its attempts": (
        (("state=WorkScope.State.OK, attempts=0,", "state=WorkScope.State.OK,"),),
        "success_after_success",
    ),
    "what follows is forgotten": ((("in done.follow_ups}:", "in ()}:"),), "success_after_success"),
    "an error is taken for success": (
        (
            (
                "done = entry.handler(days) if days else Done()",
                "done = Done()\n    try:\n        done = entry.handler(days) if days else Done()\n"
                "    except RuntimeError:\n        pass",
            ),
        ),
        "an_error_leaves_nothing",
    ),
    "the latest day wins": (
        (("None if before is None or from_day is None else min(before, from_day)", "from_day"),),
        "the_earliest_day_of_all_marks",
    ),
    "rebuilds come first": (
        (("ORDER BY waiting.rebuild, scope", "ORDER BY waiting.rebuild DESC, scope"),),
        "a_correction_overtakes_rebuilds",
    ),
    "nobody waits for who comes before": (
        (("coalesce(earlier.state, 'ok') = 'ok'", "false"),),
        "a_debounced_kind",
    ),
    "the bell rings before the commit": (
        (("transaction.on_commit(lambda: waker.ring(kind))\n\n\ndef drain", "waker.ring(kind)\n\n\ndef drain"),),
        "the_bell_of_a_change_taken_back",
    ),
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("ecosystem.ledger"), "disabled", True)


@contextmanager
def broken(name: str, changes: tuple[tuple[str, str], ...]) -> Iterator[ModuleType]:
    """Load the ledger with some of its text changed, as a module of its own."""
    text = SOURCE
    for found, instead in changes:
        assert text.count(found) == 1, f"the ledger has {text.count(found)} times: {found}"
        text = text.replace(found, instead)
    module = ModuleType("broken_ledger")
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, f"<{name}>", "exec"), module.__dict__)
        logging.getLogger(module.__name__).disabled = True
        yield module
    finally:
        del sys.modules[module.__name__]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_ends_as_any_other(name: str) -> None:
    with fresh(ledger):
        SCHEDULES[name](ledger)


def test_every_mutant_is_noticed() -> None:
    """One test for all: the tables are emptied by the schedules themselves."""
    survivors = []
    for name, (changes, by) in MUTANTS.items():
        with broken(name, changes) as mutant, fresh(mutant):
            try:
                SCHEDULES[by](mutant)
            except Exception:
                continue
            survivors.append(name)
    assert survivors == []
    assert len(MUTANTS) >= 12
