"""Invariants of what we conclude: everything derived equals what computing it again from its sources gives."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet, Sum
from psycopg import sql

from ecosystem.models import AuditEntry, Notice, OutboxMessage, WorkMark
from ecosystem.verify import Extent, Finding, missing_triggers, register
from providers.choices import ROLE_PRIORITY
from providers.models import DeliveredDay, RegisterVersion
from scoring.core.score import score
from scoring.models import BudgetPool, Contest, Entry, Grant, Publication, Run, Score
from scoring.models.rolled import ProviderCum, ProviderDay
from scoring.models.scores import LEFT
from scoring.steps.known.registers import REGISTERS
from scoring.steps.publish import scores_digest
from scoring.steps.roll_up import roll_up
from scoring.steps.score_rows import score_rows

# Table → its key, in the order of the roll-up.
ROLLED = {
    "provider_cum": ("day", "provider_id"),
    "provider_stock": ("day", "provider_id"),
    "provider_person_cum": ("provider_id", "person", "day"),
}
ROLLING = ("beside", "room_month", "roll_up")
CHUNK = 200
PROTECTING_TRIGGERS = {
    ("scoring_score", "scores_added_before_publication"),
    ("scoring_score", "scores_changed_before_publication"),
    ("scoring_score", "scores_removed_before_publication"),
    ("scoring_score", "scores_stay"),
    ("scoring_score", "scores_name_what_is_there"),
    ("scoring_run", "run_stays_under_scores"),
    ("scoring_run", "runs_not_emptied_under_scores"),
    ("providers_provider", "provider_stays_under_scores"),
    ("providers_provider", "providers_not_emptied_under_scores"),
    ("scoring_runinput", "inputs_frozen"),
    ("scoring_run", "runs_frozen"),
    ("scoring_publication", "publications_insert_only"),
    ("scoring_rubricversion", "rubric_frozen"),
    ("scoring_entry", "entries_balance"),
    ("scoring_entry", "entries_insert_only"),
    ("scoring_benchmark", "benchmarks_insert_only"),
}
SHARE_TRIGGERS = {
    ("providers_binding", "share_added_within_lead"),
    ("providers_binding", "share_stays_within_lead"),
    ("providers_evidence", "evidence_insert_only"),
}
KEEPING_TRIGGERS = {(register.table, f"{register.table}_changed") for register in REGISTERS} | {
    ("providers_binding", "providers_binding_changed"),
    ("providers_violation", "providers_violation_added"),
    ("providers_operatorcertificate", "providers_operatorcertificate_added"),
    ("providers_operatedsession", "providers_operatedsession_added"),
    ("providers_violation", "providers_violation_stays"),
    ("providers_operatorcertificate", "providers_operatorcertificate_stays"),
    ("providers_operatedsession", "providers_operatedsession_stays"),
    ("scoring_grant", "scoring_grant_stays"),
    ("providers_registerversion", "versions_insert_only"),
}
# Versions that the next one of their row repeats or came before.
_STUTTERING = """
SELECT register, row_id FROM (SELECT register, row_id, lead(id) OVER own IS NOT NULL
    AND (known IS NOT DISTINCT FROM lead(known) OVER own OR recorded_to > lead(recorded_to) OVER own) AS wrong
    FROM providers_registerversion WINDOW own AS (PARTITION BY register, row_id ORDER BY id)) AS version
WHERE wrong ORDER BY 1, 2
"""
_DIFFERING = """
SELECT day, provider_id, to_jsonb(kept)::text, to_jsonb(fresh)::text
FROM (SELECT * FROM {schema}.{table} WHERE provider_id = ANY(%(providers)s)) AS kept
FULL JOIN pg_temp.{table} AS fresh USING ({key}) WHERE kept IS DISTINCT FROM fresh ORDER BY 2, 1
"""


# What a day's sales count once for anybody, by the leads' bindings alone; a store's room follows as in the roll-up.
_ONCE = """
SELECT fact.day, sum(fact.gmv_settled)::bigint FROM fact_sales_merchant fact
LEFT JOIN providers_streamer room ON room.id = fact.streamer_id
WHERE fact.day = ANY(%(days)s) AND EXISTS (SELECT FROM providers_binding lead
  WHERE lead.status = 'confirmed' AND lead.lead_id IS NULL AND lead.role = ANY(%(roles)s) AND lead.period @> fact.day
  AND (lead.merchant_id = fact.merchant_id OR lead.streamer_id = fact.streamer_id
    OR lead.merchant_id = room.merchant_id AND NOT EXISTS (SELECT FROM providers_binding own
      WHERE own.status = 'confirmed' AND own.streamer_id = room.id AND own.period @> fact.day)))
GROUP BY 1
"""


def check_shares(extent: Extent) -> Finding:
    """What counts once is divided without a rest: all providers together have the sales that anybody is bound to."""
    wrong = missing_triggers(SHARE_TRIGGERS)
    waiting = WorkMark.objects.filter(kind__in=ROLLING).count()
    if waiting:
        return Finding(f"{len(SHARE_TRIGGERS)} triggers; {waiting} changes are not rolled up yet (run it again)", wrong)
    delivered = DeliveredDay.objects.filter(feed="sales", subject="merchant").order_by("day")
    days = list(delivered.values_list("day", flat=True))
    if not extent.everything and len(days) > extent.sample:
        days = sorted(random.sample(days, extent.sample))
    with connection.cursor() as cursor:
        cursor.execute(_ONCE, {"days": days, "roles": list(ROLE_PRIORITY)})
        wanted = dict(cursor.fetchall())
    rows = ProviderDay.objects.filter(day__in=days).values_list("day")  # type: ignore[attr-defined]
    found = dict(rows.annotate(once=Sum("gmv_settled_once")).order_by("day"))
    wrong += [
        f"{day}: {found.get(day, 0)} fen count for providers, {wanted.get(day, 0)} were sold by whom they are bound to"
        for day in days
        if found.get(day, 0) != (wanted.get(day) or 0)
    ]
    return Finding(f"{len(days)} days of sales and {len(SHARE_TRIGGERS)} triggers", wrong)


def check_versions(extent: Extent) -> Finding:
    """What registers said before they changed is kept: the triggers are on, each version differs from the next."""
    with connection.cursor() as cursor:
        cursor.execute(_STUTTERING)
        found = cursor.fetchall()
    wrong = missing_triggers(KEEPING_TRIGGERS)
    wrong += [f"{register} {row}: a version repeats the next one or comes after it" for register, row in found]
    return Finding(f"{RegisterVersion.objects.count()} versions and {len(KEEPING_TRIGGERS)} triggers", wrong)


def check_totals(extent: Extent) -> Finding:
    """Running totals, states and totals per person equal a roll-up of facts and bindings from nothing."""
    waiting = WorkMark.objects.filter(kind__in=ROLLING[:2]).count()
    if waiting:
        return Finding(f"nothing, as {waiting} changes are not spread to their providers yet (run it again)")
    marked = {int(scope) for scope in WorkMark.objects.filter(kind="roll_up").values_list("scope", flat=True)}
    known = set(ProviderCum.objects.order_by().values_list("provider_id", flat=True).distinct())  # type: ignore[attr-defined]
    ready = sorted(known - marked)
    chosen = ready if extent.everything or len(ready) <= extent.sample else sorted(random.sample(ready, extent.sample))
    wrong: list[str] = []
    days = 0
    for start in range(0, len(chosen), CHUNK):
        rows, found = _roll_up_again(chosen[start : start + CHUNK], behind_is_known=bool(marked))
        days += rows
        wrong += found
    return Finding(f"{len(chosen)} of {len(known)} providers, {days} rows of totals, rolled up from nothing", wrong)


def _roll_up_again(providers: list[int], *, behind_is_known: bool) -> tuple[int, list[str]]:
    """Roll providers up into empty temporary tables that hide the real ones; return rows and what differs."""
    rows, wrong = 0, []
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = sql.Identifier(cursor.fetchone()[0])
        for name in ROLLED:
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {table} (LIKE {schema}.{table} INCLUDING ALL)").format(
                    table=sql.Identifier(name), schema=schema
                )
            )
        roll_up({str(provider): None for provider in providers})
        for name, key in ROLLED.items():
            table = sql.Identifier(name)
            columns = sql.SQL(", ").join([sql.Identifier(column) for column in key])
            cursor.execute(
                sql.SQL(_DIFFERING).format(schema=schema, table=table, key=columns), {"providers": providers}
            )
            for day, provider, kept, fresh in cursor.fetchall():
                # While others wait for their roll-up, the newest days of anybody may still be to come.
                if not (behind_is_known and kept is None):
                    wrong.append(f"{name} provider {provider} {day}: {_unlike(kept, fresh)}")
            cursor.execute(sql.SQL("SELECT count(*) FROM pg_temp.{}").format(table))
            rows += cursor.fetchone()[0]
            cursor.execute(sql.SQL("DROP TABLE pg_temp.{}").format(table))
    return rows, wrong


def _unlike(kept: str | None, fresh: str | None) -> str:
    if kept is None or fresh is None:
        return "is missing" if kept is None else "should not be"
    mine, theirs = json.loads(kept), json.loads(fresh)
    return ", ".join(f"{name} is {mine[name]}, should be {theirs[name]}" for name in mine if mine[name] != theirs[name])


def check_scores(extent: Extent) -> Finding:
    """Every run's scores equal its rubric applied to its frozen inputs, whose digest it names."""
    runs = Run.objects.exclude(status__in=[Run.Status.OPEN, Run.Status.FROZEN]).newest_first()
    wrong: list[str] = []
    compared = scores = 0
    for run in _sampled(runs.select_related("rubric_version", "input"), extent):
        compared += 1
        name = f"{run.kind} run {run.pk} as of {run.as_of}"
        inputs = run.input.as_core()
        if not run.input.digest == run.input_digest == inputs.sha256:
            wrong.append(f"{name}: the inputs are not those that were frozen")
            continue
        fresh = {row.provider_id: row for row in _fresh(run, inputs)}
        kept = {row.provider_id: row for row in Score.objects.of(run)}
        scores += len(kept)
        for provider in sorted(fresh.keys() | kept.keys()):
            mine, row = fresh.get(provider), kept.get(provider)
            if mine is None and row is not None and row.flags == [LEFT]:
                continue
            if mine is None or row is None or scores_digest([mine]) != scores_digest([row]):
                wrong.append(f"{name}: provider {provider} is {_told(row)}, should be {_told(mine)}")
    return Finding(f"{scores} scores of {compared} runs, computed again from their inputs", wrong)


def check_names(extent: Extent) -> Finding:
    """The newest provisional run calls every provider what it is called."""
    if waiting := WorkMark.objects.filter(kind__in=(*ROLLING, "score")).count():
        return Finding(f"nothing, as {waiting} changes are not scored yet (run it again)")
    run = Run.objects.provisional().newest_first().first()
    scores = Score.objects.filter(run=run)
    wrong = [
        f"score {row.pk}: the provider is called “{row.provider_name}”, should be “{row.provider.name}”"
        for row in scores.called_otherwise().select_related("provider").order_by("pk")
    ]
    return Finding(f"the names of {scores.count()} scored providers", wrong)


def _sampled(runs: QuerySet[Run], extent: Extent) -> Iterator[Run]:
    """Yield the runs, newest first; inputs are large, so one at a time."""
    yield from (runs if extent.everything else runs[: extent.sample]).iterator(chunk_size=1)


def _fresh(run: Run, inputs: Any) -> Iterator[Score]:
    rows = score_rows(score(run.rubric_version.as_core(), inputs))
    for provider, status, published, grade, rank, capabilities, flags in rows:
        values: dict[str, Any] = {
            "status": status,
            "published": published,
            "grade": grade,
            "rank": rank,
            "flags": flags,
        }
        yield Score(provider_id=int(str(provider)), capabilities=json.loads(str(capabilities)), **values)


def _told(row: Score | None) -> str:
    return "missing" if row is None else f"{row.published} {row.grade or row.status} rank {row.rank} {row.capabilities}"


def check_publications(extent: Extent) -> Finding:
    """No sealed publication changed: the scores still have the digest that was published."""
    wrong = []
    publications = list(Publication.objects.select_related("run").order_by("-pk"))
    sampled = publications if extent.everything else publications[: extent.sample]
    for publication in sampled:
        if scores_digest(list(Score.objects.of(publication.run))) != publication.digest:
            wrong.append(f"publication {publication.pk} of {publication.run.as_of}: its scores are not those published")
    superseded = {publication.supersedes_id for publication in publications}
    for publication in publications:
        status = Run.Status.SUPERSEDED if publication.pk in superseded else Run.Status.PUBLISHED
        if publication.run.status != status:
            wrong.append(f"publication {publication.pk}: its run is {publication.run.status}, should be {status}")
    bare = Run.objects.filter(status__in=[Run.Status.PUBLISHED, Run.Status.SUPERSEDED], publication=None)
    wrong += [f"run {pk} is published without a publication" for pk in bare.order_by("pk").values_list("pk", flat=True)]
    return Finding(f"{len(sampled)} of {len(publications)} publications", wrong)


def check_pools(extent: Extent) -> Finding:
    """The entries of every pool add up to its balances, every posting to nothing."""
    accounts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for pool_id, account, amount in Entry.objects.values_list("pool", "account").annotate(amount=Sum("amount")):
        accounts[pool_id][account] = amount
    promised = dict(
        Grant.objects.filter(status=Grant.Status.APPROVED)
        .values_list("pool")
        .annotate(left=Sum(F("amount") - F("settled_amount")))
    )
    wrong = []
    pools = list(BudgetPool.objects.order_by("pk"))
    for pool in pools:
        found = accounts[pool.pk]
        wanted = {
            "available": pool.cap - pool.committed,
            "committed": promised.get(pool.pk, 0),
            "paid": pool.paid,
            "expired": pool.expired,
        }
        wrong += [
            f"pool {pool.code}: entries of {account} add up to {found[account]}, the balance is {amount}"
            for account, amount in wanted.items()
            if found[account] != amount
        ]
    unbalanced = Entry.objects.values("posting").annotate(total=Sum("amount")).exclude(total=0)
    wrong += [f"posting {row['posting']} adds up to {row['total']}" for row in unbalanced.order_by("posting")]
    return Finding(f"{len(pools)} pools with {Entry.objects.count()} entries", wrong)


def check_tenants(extent: Extent) -> Finding:
    """No row of one provider leans on a row of another."""
    wrong = [
        f"{kind} {pk} of provider {provider} leans on {what} of provider {other}"
        for kind, what, rows in (
            ("grant", "a score", Grant.objects.exclude(score=None).exclude(score__provider=F("provider"))),
            ("contest", "a score", Contest.objects.exclude(score__provider=F("provider"))),
        )
        for pk, provider, other in rows.order_by("pk").values_list("pk", "provider_id", "score__provider_id")
    ]
    entries = Entry.objects.exclude(grant=None).exclude(grant__pool=F("pool")).order_by("pk")
    wrong += [f"entry {pk} books a grant of another pool" for pk in entries.values_list("pk", flat=True)]
    return Finding(f"{Grant.objects.count()} grants and {Contest.objects.count()} contests", wrong)


def check_protection(extent: Extent) -> Finding:
    """Published numbers and money cannot be rewritten, and every step on them is on record."""
    wrong = missing_triggers(PROTECTING_TRIGGERS)
    official = Run.objects.official()
    decided = Grant.objects.exclude(status=Grant.Status.PROPOSED)
    wanted = (
        (official.exclude(status=Run.Status.OPEN), ("freeze_run",)),
        (official.filter(status__in=[Run.Status.PUBLISHED, Run.Status.SUPERSEDED]), ("publish_run",)),
        (decided, ("approve_grant", "refuse_grant")),
    )
    rows = 0
    for things, actions in wanted:
        kind = things.model._meta.model_name
        on_record = AuditEntry.objects.filter(subject_kind=kind, action__in=actions).values("subject_id")
        rows += things.count()
        wrong += [
            f"no {' or '.join(actions)} of {kind} {pk} is on record"
            for pk in things.exclude(pk__in=on_record).order_by("pk").values_list("pk", flat=True)
        ]
    return Finding(f"{len(PROTECTING_TRIGGERS)} triggers and the record of {rows} decisions", wrong)


def check_announcements(extent: Extent) -> Finding:
    """Whoever was told of a publication on the page was sent its mail, and the other way round."""
    notices = Notice.objects.filter(kind__in=["score_published", "not_rated_published"])
    told: dict[int, int] = defaultdict(int)
    for user in notices.values_list("user_id", flat=True):
        told[user] += 1
    keys = OutboxMessage.objects.filter(key__startswith="notice:publication:").values_list("key", flat=True)
    mailed: dict[int, int] = defaultdict(int)
    for key in keys:
        mailed[int(key.rsplit(":", 1)[1])] += 1
    wrong = [
        f"user {user} was told {told[user]} times and mailed {mailed[user]} times"
        for user in sorted(told.keys() | mailed.keys())
        if told[user] != mailed[user]
    ]
    return Finding(f"{sum(told.values())} notices of publications", wrong)


def register_checks() -> None:
    """Name the invariants of what we conclude."""
    register("totals", check_totals)
    register("shares", check_shares)
    register("versions", check_versions)
    register("scores", check_scores)
    register("names", check_names)
    register("publications", check_publications)
    register("pools", check_pools)
    register("tenants", check_tenants)
    register("record", check_protection)
    register("announcements", check_announcements)
