"""No score loses its run or provider, nor is one written for what is not there, even at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from providers.models import Provider
from scoring.models import Run, Score
from tests import factories
from tests.scoring import rows

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]
WAIT_SECONDS = 20


def remove(row: Run | Provider) -> None:
    """Delete one row whatever points at it; the model would look for what does first."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {row._meta.db_table} WHERE id = %s", [row.pk])


def renumber(row: Run | Provider) -> None:
    """Give a row another key."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET id = id + 1000000 WHERE id = %s", [row.pk])


def empty(row: Run | Provider) -> None:
    """Empty a table and all that foreign keys tie to it."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {row._meta.db_table} CASCADE")


def refused(step: Callable[[], object]) -> str:
    """Return the state that the database refuses a step with; "" where it does not."""
    try:
        with transaction.atomic():
            step()
    except DatabaseError as error:
        return getattr(error.__cause__, "sqlstate", None) or str(error)
    return ""


def while_open(first: Callable[[], object], second: Callable[[], object], *, kept: bool) -> str:
    """Take the second step while the first is done and not committed; return what it was refused with."""
    found: list[str] = []
    started = threading.Event()

    def beside() -> None:
        started.set()
        try:
            found.append(refused(second))
        finally:
            connection.close()

    thread = threading.Thread(target=beside)
    with transaction.atomic():
        first()
        thread.start()
        started.wait()
        thread.join(timeout=0.5)
        assert thread.is_alive(), "the second step did not wait for the first"
        transaction.set_rollback(not kept)
    thread.join(timeout=WAIT_SECONDS)
    (refusal,) = found
    return refusal


@pytest.fixture
def named() -> dict[str, Run | Provider]:
    """Have a run and a provider without scores."""
    return {"run": rows.run(), "provider": factories.provider()}


def write(named: dict[str, Run | Provider]) -> Score:
    run, provider = named["run"], named["provider"]
    assert isinstance(run, Run)
    assert isinstance(provider, Provider)
    return rows.score(provider, run)


@pytest.mark.parametrize("which", ["run", "provider"])
def test_what_scores_name_stays_as_it_is(named: dict[str, Run | Provider], which: str) -> None:
    score = write(named)
    for change in (remove, renumber, empty):
        assert refused(lambda change=change: change(named[which])) == "23503", change.__name__
    assert Score.objects.select_related("run", "provider").get() == score
    score.delete()
    for change in (renumber, remove):
        assert refused(lambda change=change: change(named[which])) == "", change.__name__


@pytest.mark.parametrize("which", ["run", "provider"])
@pytest.mark.parametrize("change", [remove, renumber])
@pytest.mark.parametrize("kept", [True, False])
def test_nothing_goes_while_scores_of_it_are_written(
    named: dict[str, Run | Provider], which: str, change: Callable[[Run | Provider], None], kept: bool
) -> None:
    assert while_open(lambda: write(named), lambda: change(named[which]), kept=kept) == ("23503" if kept else "")
    assert Score.objects.count() == kept


@pytest.mark.parametrize("which", ["run", "provider"])
@pytest.mark.parametrize("change", [remove, renumber])
@pytest.mark.parametrize("kept", [True, False])
def test_no_scores_are_written_of_what_goes(
    named: dict[str, Run | Provider], which: str, change: Callable[[Run | Provider], None], kept: bool
) -> None:
    assert while_open(lambda: change(named[which]), lambda: write(named), kept=kept) == ("23503" if kept else "")
    assert Score.objects.count() == (not kept)


def test_who_reads_an_older_state_changes_neither(named: dict[str, Run | Provider]) -> None:
    def older(step: Callable[[], object]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        step()

    for step in (lambda: write(named), lambda: remove(named["run"]), lambda: renumber(named["provider"])):
        assert refused(lambda step=step: older(step)) == "25000"
