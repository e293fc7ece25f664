"""Verification holds on a sound portal, names what is broken, and leaves nothing behind."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from ecosystem import ledger, verify
from ecosystem.models import AuditEntry, Notice, OutboxMessage, ScheduleSlot, WorkMark
from ecosystem.roles import Role
from ecosystem.steps.notify import post_email
from scoring.models import Grant, Publication, Run, Score
from scoring.models.rolled import ProviderCum
from scoring.steps import fund, publish
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

SINCE = rows.AS_OF - timedelta(days=40)
# What is done to a sound portal → the check that tells, and what it says.
BREAKS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "a fact changed behind the ingest": (
        ("UPDATE fact_sales_merchant SET gmv_paid = gmv_paid + 1 WHERE day = '2022-06-03'",),
        "facts",
        "sales merchant 2022-06-03: gmv_paid adds up to 85001, delivered were 85000",
    ),
    "a fact was lost": (
        ("DELETE FROM fact_sales_merchant WHERE day = '2022-06-03'",),
        "facts",
        "sales merchant 2022-06-03: has no rows, 1 were delivered",
    ),
    "a fact came twice": (
        (
            "INSERT INTO fact_sales_merchant SELECT (jsonb_populate_record(f, '{\"streamer_id\": 1}')).*"
            " FROM fact_sales_merchant f WHERE day = '2022-06-03'",
        ),
        "facts",
        "sales merchant 2022-06-03: has 2 rows, 1 were delivered",
    ),
    "a fact of a batch that does not count": (
        ("UPDATE providers_batch SET status = 'undone' WHERE feed = 'sales'",),
        "facts",
        "1 rows are not under an applied batch of the feed",
    ),
    "a partition was taken off": (
        ("ALTER TABLE fact_sales_merchant DETACH PARTITION fact_sales_merchant_2022_06",),
        "partitions",
        "fact_sales_merchant has no partition for 2022-06",
    ),
    "a partition lies beside its table": (
        ("ALTER TABLE fact_sales_merchant DETACH PARTITION fact_sales_merchant_2022_06",),
        "partitions",
        "fact_sales_merchant_2022_06 is not attached to fact_sales_merchant",
    ),
    "a total is wrong": (
        ("UPDATE provider_cum SET paid_orders = paid_orders + 1 WHERE day = '2022-06-29'",),
        "totals",
        "2022-06-29: paid_orders is 401, should be 400",
    ),
    "a total is missing": (("DELETE FROM provider_cum WHERE day = '2022-06-03'",), "totals", "2022-06-03: is missing"),
    "a state that nobody delivered": (
        (
            "INSERT INTO provider_stock (day, provider_id) SELECT day, provider_id FROM provider_cum"
            " WHERE day = '2022-06-03'",
        ),
        "totals",
        "2022-06-03: should not be",
    ),
    "a part of a sale fell to nobody": (
        ("UPDATE provider_cum SET gmv_settled_once = gmv_settled_once - 1 WHERE day >= '2022-06-03'",),
        "shares",
        "2022-06-03: 69999 fen count for providers, 70000 were sold",
    ),
    "shares may exceed the whole": (
        ("DROP TRIGGER share_added_within_lead ON providers_binding",),
        "shares",
        "providers_binding is not protected by share_added_within_lead",
    ),
    "a person's total is wrong": (
        (
            "INSERT INTO provider_person_cum SELECT provider_id, 'nobody', day, 5 FROM provider_cum"
            " WHERE day = '2022-06-03'",
        ),
        "totals",
        "provider_person_cum provider",
    ),
    "a score was rewritten": (
        ("UPDATE scoring_score SET rank = 7 FROM scoring_run run WHERE run.id = run_id AND run.kind = 'provisional'",),
        "scores",
        "rank 7",
    ),
    "inputs were exchanged": (
        ("UPDATE scoring_runinput SET digest = repeat('0', 64)",),
        "scores",
        "the inputs are not those that were frozen",
    ),
    "a published score was rewritten": (
        (
            "UPDATE scoring_score SET published = 99 FROM scoring_run run"
            " WHERE run.id = run_id AND run.status = 'published'",
        ),
        "publications",
        "its scores are not those published",
    ),
    "a published run went back": (
        ("UPDATE scoring_run SET status = 'reviewed' WHERE status = 'published'",),
        "publications",
        "its run is reviewed, should be published",
    ),
    "a balance is wrong": (
        ("UPDATE scoring_budgetpool SET committed = committed + 1",),
        "pools",
        "entries of available add up to 400, the balance is 399",
    ),
    "a posting does not balance": (
        ("UPDATE scoring_entry SET amount = amount + 1 WHERE account = 'committed'",),
        "pools",
        "adds up to 1",
    ),
    "a grant leans on another's score": (
        ("UPDATE scoring_grant SET provider_id = (SELECT max(id) FROM providers_provider)",),
        "tenants",
        "leans on a score of provider",
    ),
    "a mark waits too long": (
        ("UPDATE ecosystem_workmark SET created_at = now() - interval '1 hour'",),
        "work",
        "the oldest mark of tier waits for 36",
    ),
    "a slot was taken twice": (
        (
            "ALTER TABLE ecosystem_scheduleslot DROP CONSTRAINT ecosystem_scheduleslot_pkey",
            "INSERT INTO ecosystem_scheduleslot SELECT * FROM ecosystem_scheduleslot",
        ),
        "slots",
        "slot 2022-06-30 of nightly was taken 2 times",
    ),
    "a message nobody sends": (
        ("UPDATE ecosystem_outboxmessage SET not_before = now() - interval '1 hour'",),
        "outbox",
        "and nobody sends it",
    ),
    "a message lost its text": (
        ("UPDATE ecosystem_outboxmessage SET body = ''",),
        "outbox",
        "waits without its text",
    ),
    "an announcement was lost": (
        ("DELETE FROM ecosystem_outboxmessage WHERE key LIKE 'notice:publication:%'",),
        "announcements",
        "was told 1 times and mailed 0 times",
    ),
    "a register forgets what it said": (
        ("ALTER TABLE providers_violation DISABLE TRIGGER providers_violation_changed",),
        "versions",
        "providers_violation is not protected by providers_violation_changed",
    ),
    "a version was written twice": (
        (
            "INSERT INTO providers_registerversion (register, row_id, known, recorded_to)"
            " SELECT 'providers_provider', 1, '{}', day FROM generate_series(1, 2) AS n,"
            " make_timestamptz(2022, 6, n, 0, 0, 0) AS day",
        ),
        "versions",
        "providers_provider 1: a version repeats the next one",
    ),
    "the audit trail may be rewritten": (
        ("ALTER TABLE ecosystem_auditentry DISABLE TRIGGER audit_insert_only",),
        "audit",
        "ecosystem_auditentry is not protected by audit_insert_only",
    ),
    "a provider's new name did not reach its score": (
        (
            "DELETE FROM ecosystem_workmark",
            "UPDATE scoring_score SET provider_name = '?' WHERE run_id IN"
            " (SELECT id FROM scoring_run WHERE kind = 'provisional')",
        ),
        "names",
        "the provider is called “?”, should be",
    ),
    "published scores may be rewritten": (
        ("DROP TRIGGER scores_changed_before_publication ON scoring_score",),
        "record",
        "scoring_score is not protected by scores_changed_before_publication",
    ),
    "a decision is not on record": (
        ("DELETE FROM ecosystem_auditentry WHERE action = 'approve_grant'",),
        "record",
        "no approve_grant or refuse_grant of grant",
    ),
}
PROTECTED = ("scoring_score", "scoring_runinput", "scoring_run", "scoring_entry", "ecosystem_auditentry")

pytestmark = pytest.mark.django_db


@pytest.fixture
def portal(settings: Settings) -> None:
    """Have a portal with facts, scores, a publication, a grant, and mail on its way."""
    settings.BUSINESS_TODAY = rows.AS_OF
    rows.rubric()
    rating = rows.staff(Role.RATING)
    provider = factories.provider(approved_on=SINCE)
    factories.owner(provider)
    rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("beside", "room_month", "roll_up", "score")
    run = publish.open_run(rows.AS_OF, actor=rating)
    publish.freeze_run(run.pk, actor=rating)
    rows.drain("run")
    publish.review_run(run.pk, note="已核对", actor=rating)
    publish.publish_run(run.pk, actor=rows.staff(Role.RATING))
    pool = rows.pool(1_000)
    grant = fund.propose_grant(
        pool.pk,
        provider_id=provider.pk,
        amount=600,
        reason="演示",
        actor=rows.staff(Role.INCENTIVES),
        score_id=Score.objects.get(run=run).pk,
    )
    fund.approve_grant(grant.pk, actor=rows.staff(Role.FINANCE))
    factories.provider()
    post_email("test:1", to="someone@example.com", template="notice", context={"notice": Notice.objects.first()})
    ScheduleSlot.objects.create(job="nightly", slot="2022-06-30")


def told(*arguments: str) -> str:
    """Return what the command says; it must end well."""
    out = StringIO()
    call_command("verify", *arguments, stdout=out)
    return out.getvalue()


def test_a_sound_portal_holds_and_stays_as_it_is(portal: None) -> None:
    before = [model.objects.count() for model in (ProviderCum, WorkMark, Score, AuditEntry, OutboxMessage, Grant)]
    for arguments in ((), ("--all",)):
        lines = told(*arguments).splitlines()
        assert [line.split()[0] for line in lines] == ["ok"] * len(verify.checks()), lines
        assert "totals        1 of 1 providers" in "\n".join(lines)
    after = [model.objects.count() for model in (ProviderCum, WorkMark, Score, AuditEntry, OutboxMessage, Grant)]
    assert after == before
    assert Publication.objects.count() == 1
    assert Run.objects.published().count() == 1


def test_every_broken_invariant_is_named(portal: None) -> None:
    missed = []
    for name, (statements, check, words) in BREAKS.items():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                if not any("TRIGGER" in statement for statement in statements):
                    for table in PROTECTED:
                        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                for statement in statements:
                    cursor.execute(statement)
            finding = verify.run(verify.checks()[check], verify.Extent(everything=True))
            if not any(words in difference for difference in finding.differences):
                missed.append((name, finding))
            transaction.set_rollback(True)
    assert missed == []
    assert {check for _, check, _ in BREAKS.values()} == set(verify.checks())


def test_a_difference_ends_the_command_with_one(portal: None, capsys: pytest.CaptureFixture[str]) -> None:
    ProviderCum.objects.filter(day=rows.AS_OF - timedelta(days=1)).update(paid_orders=1)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", "totals", "work", stdout=out)
    assert ended.value.code == 1
    assert out.getvalue().startswith("WRONG totals")
    assert "\nok    work" in out.getvalue()
    with pytest.raises(CommandError, match="Unknown: totales"):
        call_command("verify", "totales")


def test_work_not_done_yet_is_no_difference(portal: None) -> None:
    merchant = ProviderCum.objects.values_list("provider_id", flat=True).first()
    ProviderCum.objects.update(paid_orders=1)
    ledger.mark("roll_up", [(str(merchant), None)], cause="test")
    assert "ok    totals        0 of 1 providers" in told("totals")
    ledger.mark("beside", [("merchant:1", None)], cause="test")
    assert "not spread to their providers yet" in told("totals")
