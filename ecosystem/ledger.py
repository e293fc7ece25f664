"""The work ledger: marks say what changed, scopes what is claimed, runs what was done. The broker only rings.

A step is two transactions. The first claims due scopes and counts the attempt, so that a step which dies is known to
have been tried. The second locks the scopes, reads the marks, lets the handler compute and write, and deletes exactly
the marks it read: a change that arrives meanwhile keeps its mark and is worked off next. Losing, doubling or delaying
a bell changes when work is done, never whether or what.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import cycle

from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.utils import timezone
from django.utils.functional import Promise

from ecosystem import waker
from ecosystem.models import WorkMark, WorkRun, WorkScope
from ecosystem.version import code_version

ATTEMPTS_BEFORE_PARKING = 6
FIRST_BACKOFF = timedelta(seconds=1)
STEP_SECONDS = 0.5  # a correction never waits longer than one rebuild step
DEARER = 1.25  # halving a step that raises the cost per scope by more is taken back
LONGEST_ERROR = 2000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """A change to be worked off: the scope of a kind, and the first business day it touches (None: all of them)."""

    kind: str
    scope: str
    from_day: date | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a handler did: rows it changed, and the marks that follow from them (written in the same transaction)."""

    rows_changed: int = 0
    follow_ups: Sequence[Mark] = ()
    input_digest: str = ""


# Scope → the first day to redo (None: from the beginning).
Handler = Callable[[Mapping[str, date | None]], Done]
# Called with the name of each point a step passes: claimed, locked, read, computed, recorded, committed.
Checkpoint = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Kind:
    handler: Handler
    batch_size: int
    debounce: timedelta
    after: str
    label: str | Promise
    about: Callable[[Sequence[str]], Mapping[str, str]]


@dataclass(slots=True)
class _Pace:
    """How many scopes a step takes: fewer when steps run long, more when they run short.

    Where a step costs much the same however few it takes, smaller ones would only make the whole longer.
    """

    size: int
    wanted: float  # seconds a step may take
    taken: int = 0
    least: int = 1
    each: float = 0.0  # seconds per scope of the last full step
    halved: bool = False

    def learn(self, seconds: float) -> None:
        """Choose the next size from how long a full step took."""
        if self.taken < self.size:
            return
        each, before, halved = seconds / self.taken, self.each, self.halved
        self.each, self.halved = each, False
        if halved and each > DEARER * before:
            self.least = self.size = self.size * 2
        elif seconds > self.wanted and self.size > self.least:
            self.size, self.halved = max(self.least, self.size // 2), True
        elif seconds < self.wanted / 2:
            self.size *= 2


_KINDS: dict[str, _Kind] = {}
# Kind, seconds a step may take, and whether its scopes are redone from the beginning (which costs many times what a
# correction does) → the size at which this process left off.
_SIZES: dict[tuple[str, float, bool], int] = {}


def register(
    kind: str,
    handler: Handler,
    *,
    batch_size: int = 1,
    debounce: timedelta = timedelta(0),
    after: str = "",
    label: str | Promise = "",
    about: Callable[[Sequence[str]], Mapping[str, str]] = lambda scopes: {},
) -> None:
    """Name the handler of a kind; its scopes wait ``debounce`` while scopes of the kind ``after`` are due.

    ``label`` names the kind to people, and ``about`` those of its scopes that it knows.
    """
    _KINDS[kind] = _Kind(handler, batch_size, debounce, after, label, about)
    for known in [known for known in _SIZES if known[0] == kind]:
        del _SIZES[known]


def label(kind: str) -> str:
    """Return what a kind of work is called in the active language."""
    return str(_KINDS[kind].label if kind in _KINDS else "") or kind


def about(scopes: Iterable[WorkScope]) -> dict[int, str]:
    """Return what scopes are about, in words, by their ids; each kind is asked once."""
    by_kind: dict[str, list[WorkScope]] = defaultdict(list)
    for scope in scopes:
        by_kind[scope.kind].append(scope)
    words: dict[int, str] = {}
    for kind, found in by_kind.items():
        known = _KINDS[kind].about([scope.scope for scope in found]) if kind in _KINDS else {}
        words |= {scope.pk: known.get(scope.scope, scope.scope) for scope in found}
    return words


def kinds() -> tuple[str, ...]:
    """Return the registered kinds, in order of registration."""
    return tuple(_KINDS)


def mark(kind: str, scopes: Iterable[tuple[str, date | None]], *, cause: str) -> None:
    """Write marks in the caller's transaction and ring the bell once it commits; a day of None means all days."""
    rows = sorted(set(scopes), key=lambda row: (row[0], row[1] or date.min))
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ecosystem_workmark (kind, scope, cause, from_day, created_at)"
                " SELECT %s, scope, %s, from_day, clock_timestamp()"
                " FROM unnest(%s::text[], %s::date[]) AS row(scope, from_day)",
                [kind, cause[:200], [scope for scope, _ in rows], [day for _, day in rows]],
            )
        transaction.on_commit(lambda: waker.ring(kind))


def drain(
    *names: str, seconds: float, step_seconds: float = STEP_SECONDS, checkpoint: Checkpoint = lambda point: None
) -> int:
    """Work off due scopes of the kinds in turn, a step each, for about ``seconds``; return how many steps were done.

    Steps aim at ``step_seconds``: longer ones cost less in all, and let a correction wait longer.
    """
    paces = {
        name: [
            _Pace(_SIZES.get((name, step_seconds, rebuild), _KINDS[name].batch_size), step_seconds)
            for rebuild in (False, True)
        ]
        for name in names
    }
    steps = idle = 0
    ends = time.monotonic() + seconds
    for name in cycle(names):
        if idle == len(names) or time.monotonic() >= ends:
            break
        done = _step(name, paces[name], checkpoint)
        steps += done
        idle = 0 if done else idle + 1
        for rebuild in (False, True):
            _SIZES[name, step_seconds, rebuild] = paces[name][rebuild].size
    return steps


def _step(kind: str, paces: Sequence[_Pace], checkpoint: Checkpoint) -> bool:
    """Claim what is due and work it off, at the pace of corrections or of rebuilds; tell whether something was."""
    entry = _KINDS[kind]
    started = time.monotonic()
    claimed, pace = _claim(kind, entry, paces)
    if not claimed:
        return False
    checkpoint("claimed")
    try:
        _work(kind, entry, claimed, checkpoint)
    except Exception as error:  # the edge of the process: the failure is recorded, the loop goes on
        logger.exception("a step of %s failed for %s scopes", kind, len(claimed))
        _record_failure(claimed, error)
    checkpoint("committed")
    pace.learn(time.monotonic() - started)
    return True


@transaction.atomic
def _claim(kind: str, entry: _Kind, paces: Sequence[_Pace]) -> tuple[list[int], _Pace]:
    """Take due scopes and count the attempt; one that failed before comes alone.

    Corrections come before rebuilds and without any: a correction shows once its own step ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ecosystem_workscope (kind, scope, state, attempts, not_before, last_error, changed_at)"
            " SELECT DISTINCT mark.kind, mark.scope, 'ok', 0, now(), '', now() FROM ecosystem_workmark mark"
            " WHERE mark.kind = %s AND NOT EXISTS (SELECT FROM ecosystem_workscope scope"
            " WHERE scope.kind = mark.kind AND scope.scope = mark.scope) ORDER BY 2 ON CONFLICT DO NOTHING",
            [kind],
        )
        cursor.execute(
            "WITH waiting AS (SELECT scope, min(id) AS first, min(created_at) AS since,"
            " bool_and(from_day IS NULL) AS rebuild FROM ecosystem_workmark WHERE kind = %s GROUP BY scope)"
            " SELECT scope.id, scope.attempts, waiting.rebuild"
            " FROM ecosystem_workscope scope JOIN waiting USING (scope)"
            " WHERE scope.kind = %s AND scope.state <> 'parked' AND scope.not_before <= clock_timestamp()"
            " AND (waiting.since <= clock_timestamp() - make_interval(secs => %s)"
            " OR NOT EXISTS (SELECT FROM ecosystem_workmark mark LEFT JOIN ecosystem_workscope earlier"
            " ON earlier.kind = mark.kind AND earlier.scope = mark.scope"
            " WHERE mark.kind = %s AND coalesce(earlier.state, 'ok') = 'ok'))"
            " ORDER BY waiting.rebuild, scope.attempts, waiting.first LIMIT %s"
            " FOR NO KEY UPDATE OF scope SKIP LOCKED",
            [kind, kind, entry.debounce.total_seconds(), entry.after, max(pace.size for pace in paces)],
        )
        due: list[tuple[int, int, bool]] = cursor.fetchall()
        rebuild = bool(due) and due[0][2]
        pace = paces[rebuild]
        fresh = [scope for scope, attempts, same in due if attempts == 0 and same is rebuild][: pace.size]
        chosen = fresh or [scope for scope, _, _ in due[:1]]
        pace.taken = len(chosen) if fresh else 0
        # Until the second transaction holds the rows, the backoff keeps other workers away; should this one die, it
        # is also the delay before the next attempt. Somebody who died at the last attempt is parked here.
        cursor.execute(
            "UPDATE ecosystem_workscope SET attempts = attempts + 1, changed_at = clock_timestamp(),"
            " state = CASE WHEN attempts >= %s THEN 'parked' ELSE state END,"
            " not_before = clock_timestamp() + make_interval(secs => %s * power(2, attempts))"
            " WHERE id = ANY(%s) RETURNING id, state",
            [ATTEMPTS_BEFORE_PARKING, FIRST_BACKOFF.total_seconds(), chosen],
        )
        return [scope for scope, state in cursor.fetchall() if state != WorkScope.State.PARKED], pace


@transaction.atomic
def _work(kind: str, entry: _Kind, claimed: list[int], checkpoint: Checkpoint) -> None:
    """Do one step: lock, read marks, compute, write, delete exactly the marks read."""
    started_at = timezone.now()
    scopes = dict(
        WorkScope.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(pk__in=claimed)
        .order_by("pk")
        .values_list("scope", "pk")
    )
    checkpoint("locked")
    marks = WorkMark.objects.filter(kind=kind, scope__in=scopes).values_list("pk", "scope", "from_day")
    read: list[int] = []
    days: dict[str, date | None] = {}
    for pk, scope, from_day in marks.order_by("pk"):
        read.append(pk)
        before = days.get(scope, from_day)
        days[scope] = None if before is None or from_day is None else min(before, from_day)
    checkpoint("read")
    done = entry.handler(days) if days else Done()
    checkpoint("computed")
    for follow_up in {(found.kind) for found in done.follow_ups}:
        mark(
            follow_up,
            [(found.scope, found.from_day) for found in done.follow_ups if found.kind == follow_up],
            cause=f"after {kind}",
        )
    WorkMark.objects.filter(pk__in=read).delete()
    WorkScope.objects.filter(pk__in=scopes.values()).update(
        state=WorkScope.State.OK, attempts=0, not_before=timezone.now(), last_error="", changed_at=timezone.now()
    )
    if days:
        WorkRun.objects.create(
            kind=kind,
            scopes=len(days),
            marks=len(read),
            rows_changed=done.rows_changed,
            code_version=code_version(),
            input_digest=done.input_digest,
            started_at=started_at,
            ended_at=max(timezone.now(), started_at),
        )
    checkpoint("recorded")


@transaction.atomic
def _record_failure(claimed: list[int], error: Exception) -> None:
    """Keep the error; the last allowed attempt parks. Members of a failed batch are tried at once, each alone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ecosystem_workscope SET last_error = %s, changed_at = clock_timestamp(),"
            " state = CASE WHEN attempts >= %s THEN 'parked' ELSE 'retry' END,"
            " not_before = CASE WHEN %s THEN clock_timestamp() ELSE not_before END WHERE id = ANY(%s)",
            [
                f"{type(error).__name__}: {error}"[:LONGEST_ERROR].replace("\x00", ""),
                ATTEMPTS_BEFORE_PARKING,
                len(claimed) > 1,
                claimed,
            ],
        )


def waiting(*names: str) -> int:
    """Count the scopes of these kinds that have marks and are not parked."""
    is_parked = WorkScope.objects.filter(state=WorkScope.State.PARKED, kind=OuterRef("kind"), scope=OuterRef("scope"))
    return WorkMark.objects.filter(~Exists(is_parked), kind__in=names).values("kind", "scope").distinct().count()


def oldest_mark_age(kind: str) -> timedelta | None:
    """Return how long the oldest mark waits that is not parked; None when nothing waits."""
    parked_scopes = WorkScope.objects.filter(kind=kind, state=WorkScope.State.PARKED).values("scope")
    waiting = WorkMark.objects.filter(kind=kind).exclude(scope__in=parked_scopes)
    since: datetime | None = waiting.aggregate(since=Min("created_at"))["since"]
    return None if since is None else max(timezone.now() - since, timedelta(0))


def parked() -> QuerySet[WorkScope]:
    """Return the scopes a person must look at, longest parked first."""
    return WorkScope.objects.filter(state=WorkScope.State.PARKED).order_by("changed_at", "pk")


@transaction.atomic
def retry(scope_id: int) -> None:
    """Let a parked scope run again, with all its attempts."""
    scope = WorkScope.objects.select_for_update().get(pk=scope_id)
    scope.state, scope.attempts, scope.not_before = WorkScope.State.RETRY, 0, timezone.now()
    scope.changed_at = timezone.now()
    scope.save(update_fields=["state", "attempts", "not_before", "changed_at"])
    kind = scope.kind
    transaction.on_commit(lambda: waker.ring(kind))
