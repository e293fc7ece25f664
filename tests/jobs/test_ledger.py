"""The ledger: nothing lost, nothing doubled, whoever dies or comes late."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from ecosystem import ledger
from ecosystem.ledger import ATTEMPTS_BEFORE_PARKING, Done
from ecosystem.models import WorkMark, WorkRun, WorkScope
from tests.jobs.counting import (
    COMMITTED,
    KIND,
    POINTS,
    Killed,
    count,
    counted,
    happen,
    kill_at,
    let_time_pass,
    state,
    tables,
    waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def counting() -> Iterator[None]:
    with tables():
        yield


def test_a_mark_is_worked_off_once_and_recorded() -> None:
    happen("a", "a", "b")
    assert ledger.drain(KIND, seconds=5) == 1
    assert counted() == {"a": 2, "b": 1}
    assert waiting() == set()
    assert waiting("after") == {"current"}, "what follows is marked in the same transaction"
    run = WorkRun.objects.get()
    assert (run.kind, run.scopes, run.marks, run.rows_changed) == (KIND, 2, 2, 2)
    assert ledger.drain(KIND, seconds=5) == 0


def test_the_same_delivered_twice_changes_nothing() -> None:
    happen("a")
    ledger.drain(KIND, seconds=5)
    ledger.mark(KIND, [("a", None)], cause="the bell rang twice")
    ledger.drain(KIND, seconds=5)
    assert counted() == {"a": 1}
    assert list(WorkRun.objects.order_by("pk").values_list("rows_changed", flat=True)) == [1, 0]


def test_a_mark_rolls_back_with_its_change() -> None:
    def change() -> None:
        with transaction.atomic():
            happen("a")
            raise Killed

    with pytest.raises(Killed):
        change()
    assert waiting() == set()


def test_the_earliest_day_counts_and_no_day_means_all() -> None:
    seen: dict[str, date | None] = {}
    ledger.register(KIND, lambda scopes: seen.update(scopes) or Done(), batch_size=10)
    days = [date(2022, 6, 3), date(2022, 6, 1), date(2022, 6, 2)]
    ledger.mark(KIND, [("a", day) for day in days], cause="test")
    ledger.mark(KIND, [("b", days[0]), ("b", None)], cause="test")
    ledger.drain(KIND, seconds=5)
    assert seen == {"a": date(2022, 6, 1), "b": None}


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_any_point_converges(point: str) -> None:
    happen("a", "b")
    with pytest.raises(Killed):
        ledger.drain(KIND, seconds=5, checkpoint=kill_at(point))
    connection.close()  # as the dead process' connection
    assert waiting() == (set() if point == COMMITTED else {"a", "b"})
    happen("a")
    let_time_pass()
    while ledger.drain(KIND, seconds=5):
        pass
    assert counted() == {"a": 2, "b": 1}
    assert waiting() == set()
    assert {state("a"), state("b")} == {("ok", 0)}


def test_after_a_death_every_scope_comes_alone() -> None:
    happen("a", "b", "c")
    with pytest.raises(Killed):
        ledger.drain(KIND, seconds=5, checkpoint=kill_at("locked"))
    let_time_pass()
    assert ledger.drain(KIND, seconds=5) == 3


def test_a_step_that_keeps_dying_is_parked() -> None:
    happen("a")
    for _ in range(ATTEMPTS_BEFORE_PARKING):
        with pytest.raises(Killed):
            ledger.drain(KIND, seconds=5, checkpoint=kill_at("computed"))
        let_time_pass()
    ledger.drain(KIND, seconds=5)
    assert state("a")[0] == WorkScope.State.PARKED
    assert waiting() == {"a"}, "its work is not forgotten"


def test_a_poisoned_scope_is_parked_alone() -> None:
    happen("a", "poison", "b")
    ledger.drain(KIND, seconds=5)
    assert counted() == {"a": 1, "b": 1}, "the others went on at once, each alone"
    for _ in range(ATTEMPTS_BEFORE_PARKING):
        let_time_pass()
        ledger.drain(KIND, seconds=5)
    assert state("poison")[0] == WorkScope.State.PARKED
    assert [(found.scope, found.last_error) for found in ledger.parked()] == [("poison", "RuntimeError: poisoned")]
    assert ledger.oldest_mark_age(KIND) is None, "parked work does not count as waiting"
    happen("a")
    assert ledger.drain(KIND, seconds=5) == 1
    assert counted() == {"a": 2, "b": 1}


def test_a_parked_scope_can_be_tried_again() -> None:
    happen("poison")
    for _ in range(ATTEMPTS_BEFORE_PARKING):
        ledger.drain(KIND, seconds=5)
        let_time_pass()
    ledger.register(KIND, lambda scopes: Done(), batch_size=10)
    ledger.retry(ledger.parked().get().pk)
    ledger.drain(KIND, seconds=5)
    assert state("poison") == ("ok", 0)
    assert waiting() == set()


def test_a_failed_scope_waits_longer_each_time() -> None:
    happen("poison")
    delays = []
    for _ in range(3):
        ledger.drain(KIND, seconds=5)
        scope = WorkScope.objects.get(kind=KIND, scope="poison")
        delays.append(round((scope.not_before - scope.changed_at).total_seconds()))
        let_time_pass()
    assert delays == [1, 2, 4]


def test_a_change_during_the_step_keeps_its_mark() -> None:
    happen("a")

    points: list[str] = []

    def change(point: str) -> None:
        points.append(point)
        if point == "computed" and points.count(point) == 1:
            thread = threading.Thread(target=lambda: (happen("a"), connection.close()))
            thread.start()
            thread.join(10)

    assert ledger.drain(KIND, seconds=5, checkpoint=change) == 2
    assert counted() == {"a": 2}


def test_two_workers_race_and_share_the_work() -> None:
    happen(*(f"scope {number}" for number in range(60)))
    start = threading.Barrier(2, timeout=10)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            start.wait()
            while ledger.drain(KIND, seconds=5):
                pass
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    let_time_pass()
    ledger.drain(KIND, seconds=5)
    assert faults == []
    assert counted() == {f"scope {number}": 1 for number in range(60)}
    assert waiting() == set()
    assert sum(WorkRun.objects.values_list("marks", flat=True)) == 60, "every mark was worked off once"


def test_a_locked_scope_is_left_to_who_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "FIRST_BACKOFF", timedelta(0))  # only the lock is in the way
    happen("a")
    ready, done = threading.Event(), threading.Event()

    def hold(point: str) -> None:
        if point == "locked":
            ready.set()
            done.wait(10)

    def work() -> None:
        ledger.drain(KIND, seconds=5, checkpoint=hold)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert ready.wait(10)
    assert waiting() == {"a"}
    assert ledger.drain(KIND, seconds=5) == 0
    done.set()
    worker.join(10)
    assert counted() == {"a": 1}


def test_corrections_come_before_rebuilds_and_without_them() -> None:
    steps: list[set[str]] = []

    def note(scopes: dict[str, date | None]) -> Done:
        steps.append(set(scopes))
        return Done()

    ledger.register(KIND, note, batch_size=8)  # type: ignore[arg-type]
    ledger.mark(KIND, [("rebuild", None), ("both", None)], cause="test")
    ledger.mark(KIND, [("correction", date(2022, 6, 1)), ("both", date(2022, 6, 1))], cause="test")
    ledger.drain(KIND, seconds=5)
    assert steps == [{"correction", "both"}, {"rebuild"}]


def test_a_debounced_kind_waits_for_the_kind_before_it_but_not_for_ever() -> None:
    ledger.register(KIND, count, debounce=timedelta(seconds=60), after="before")
    happen("a")
    ledger.mark("before", [("x", None)], cause="test")
    assert ledger.drain(KIND, seconds=5) == 0
    let_time_pass(61)
    assert ledger.drain(KIND, seconds=5) == 1
    happen("a")
    assert ledger.drain(KIND, seconds=5) == 0
    WorkMark.objects.filter(kind="before").delete()
    assert ledger.drain(KIND, seconds=5) == 1


def test_the_oldest_mark_says_how_long_work_waits() -> None:
    assert ledger.oldest_mark_age(KIND) is None
    happen("a")
    let_time_pass(90)
    age = ledger.oldest_mark_age(KIND)
    assert age is not None
    assert 90 <= age.total_seconds() < 120


def test_a_step_finds_its_size_and_noise_does_not_move_it() -> None:
    pace = ledger._Pace(64, 0.5)

    def step(each: float) -> int:
        pace.taken = pace.size
        pace.learn(each * pace.size)
        return pace.size

    assert [step(0.02) for _ in range(3)] == [32, 16, 16]
    assert [step(each) for each in (0.028, 0.019, 0.03)] == [16, 16, 16], "no halving, so dearer means nothing"
    assert step(0.001) == 32
    pace = ledger._Pace(64, 0.5)
    assert [step(0.02), step(0.04), step(0.02)] == [32, 64, 64], "a halving that made scopes dearer is taken back"
