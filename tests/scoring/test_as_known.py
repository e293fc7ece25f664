"""Registers as they were known: any cut-off is rebuilt to the digit, and what was corrected since is told as such."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone, translation
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.roles import Role
from providers.models import Merchant, OperatorCertificate, Provider, RegisterVersion, Streamer, Violation
from providers.steps import compliance
from scoring import changes
from scoring.core.formula import Operand
from scoring.core.inputs import Inputs
from scoring.models import Benchmark, Grant, RubricVersion, RunInput, Score
from scoring.steps import fund
from scoring.steps.as_known import Worlds, worlds
from scoring.steps.known.aside import Moment
from scoring.steps.known.registers import REGISTERS
from scoring.steps.rubrics import import_rubric, publish_rubric, validate_rubric
from tests import factories
from tests.scoring import rows
from tests.scoring.test_changes import FIRST, LAST, SINCE, parts, scored, whole

pytestmark = [pytest.mark.server, pytest.mark.django_db]
CASES = "violation,provider,kind,severity,status,opened_on,decided_on,closed_on"
CERTIFICATES = "certificate,provider,person,level,starts_on,ends_before"
SESSIONS = (
    "session,provider,streamer,operator,day,registered_hours_ahead,gmv_strict_fen,baseline_fen,baseline_sessions,"
    "day_index_bp,fell_below_after"
)
READ = {
    "medium_violations": "sum",
    "grave_violations": "sum",
    "operated_sessions": "sum",
    "granted_impressions_issued": "sum",
    "granted_impressions_expired": "sum",
    "quality_refund_orders_expected": "sum",
    "signed_streamers": "last",
    "certified_operators": "last",
    "operator_points": "last",
    "operated_uplift_bp": "last",
    "open_grave_violations": "last",
    "distribution_declared": "last",
}
LEAF = """
  - code: R{number}
    name: {{zh-hans: 记录{number}, en: Record {number}}}
    unit: records
    better: higher
    value: {value}
    window: 90d
    points: {{anchors: [["-1000000000", "0"], ["1000000000", "100"]]}}
    weight: 1
    missing: owed_by_platform
"""
HEAD = """
rubric: registers
version: "1"
scale: 100
published_decimals: 1
needs_capabilities: 1
root:
  code: TOTAL
  aggregate: weighted_mean
  missing: reweight
  children:
"""


def rubric() -> RubricVersion:
    """Publish rules that read every measure made of registers."""
    values = [f"last({code})" if read == "last" else code for code, read in READ.items()]
    leaves = "".join(LEAF.format(number=number, value=value) for number, value in enumerate(values, start=1))
    rating = rows.staff(Role.RATING)
    draft = import_rubric(f"{HEAD}{leaves}grades: [[A, 70], [B, 40], [C, 0]]\n", actor=rating)
    validate_rubric(draft.pk, actor=rating)
    return publish_rubric(draft.pk, actor=rating)


@pytest.fixture
def provider() -> Provider:
    """Return a provider that works, with a merchant, a streamer, and one row in each register."""
    rubric()
    made = factories.provider(approved_on=SINCE)
    merchant, streamer = rows.trading(made, orders=1, sessions=1, since=SINCE, until=LAST)
    second = factories.streamer(person=streamer.person)
    factories.binding(made, second, starts_on=SINCE, role="mcn")
    days = [SINCE + timedelta(days=n) for n in range((LAST - SINCE).days)]
    refunds = [f"{day},{merchant.code},10,1" for day in days]
    rows.deliver("refunds", "day,merchant,signed_orders,quality_refund_orders", refunds, covers=(days[0], days[-1]))
    for category, rate in (("all", 1), ("beauty", 2)):
        Benchmark.objects.create(
            measure="quality_refund_orders_expected",
            month=date(2022, 3, 1),
            category=category,
            numerator=rate,
            denominator=1,
            members=[],
        )
    case(made, "open,2022-05-10,,", severity="grave", code="V-GRAVE")
    case(made, "decided,2022-05-10,2022-05-12,", code="V-MEDIUM")
    certificate(made, "junior,2022-03-10,")
    session(made, streamer, fell_below="false")
    pool = rows.pool(1_000_000, "impressions")
    person = rows.staff(Role.INCENTIVES)
    Grant.objects.create(
        pool=pool,
        provider=made,
        amount=100_000,
        reason="演示",
        status="approved",
        proposed_by=person,
        decided_by=rows.staff(Role.FINANCE),
        decided_at=timezone.now(),
        granted_on=date(2022, 4, 20),
        expires_on=date(2022, 5, 20),
    )
    fund.BudgetPool.objects.filter(pk=pool.pk).update(committed=100_000)
    return made


def case(of: Provider, said: str, *, severity: str = "medium", code: str = "V-MEDIUM") -> None:
    rows.deliver("violations", CASES, [f"{code},{of.code},false_advertising,{severity},{said}"])


def certificate(of: Provider, said: str) -> None:
    rows.deliver("operator_certificates", CERTIFICATES, [f"C-1,{of.code},holder,{said}"])


def session(of: Provider, streamer: Streamer, *, fell_below: str) -> None:
    said = f"S-1,{of.code},{streamer.code},holder,2022-05-01,48,300,100,9,10000,{fell_below}"
    rows.deliver("operated_sessions", SESSIONS, [said])


def marked(of: Provider) -> None:
    """Have everything of a provider rolled up again, as whoever changes a row does."""
    ledger.mark("roll_up", [(str(of.pk), None)], cause="test")


def annul(of: Provider) -> None:
    compliance.annul_violation(
        Violation.objects.get(code="V-MEDIUM").pk, reason="误判（演示）", actor=rows.staff(Role.GOVERNANCE)
    )


def declare(of: Provider) -> None:
    Provider.objects.filter(pk=of.pk).update(distribution_declared=True)
    marked(of)


def part(of: Provider) -> None:
    """Two rooms of one person turn out to be two persons."""
    Streamer.objects.filter(pk=Streamer.objects.order_by("-pk").values("pk")[:1]).update(person="another")
    marked(of)


def goods(of: Provider) -> None:
    """The goods turn out to be of another category."""
    Merchant.objects.update(category="beauty")
    marked(of)


def lapse(of: Provider) -> None:
    fund.expire_grant(of.grants.get().pk)


def corrected_session(of: Provider) -> None:
    session(of, Streamer.objects.order_by("pk")[0], fell_below="true")


type Happens = Callable[[Provider], None]
CORRECTIONS: list[tuple[Happens, str, dict[str, int]]] = [
    (annul, "violation V-MEDIUM", {"medium_violations": -1}),
    (lambda of: case(of, "open,2022-05-10,,", severity="minor", code="V-GRAVE"), "violation V-GRAVE",
     {"open_grave_violations": -1}),
    (lambda of: case(of, "decided,2022-05-02,2022-05-03,", severity="grave", code="V-LATE"), "violation V-LATE",
     {"grave_violations": 1, "open_grave_violations": 1}),
    (lambda of: certificate(of, "senior,2022-07-01,"), "operator certificate C-1", {"certified_operators": -1}),
    (corrected_session, "operated session S-1", {"operated_sessions": -1}),
    (lapse, "grant", {"granted_impressions_expired": 100_000}),
    (declare, "provider", {"distribution_declared": 1}),
    (part, "streamer", {"signed_streamers": 1}),
    (goods, "merchant", {"quality_refund_orders_expected": 300}),
]  # fmt: skip


def inputs_of(score: Score) -> Inputs:
    inputs = RunInput.objects.matrix(score.run)
    assert inputs is not None
    return inputs.take([inputs.row(str(score.provider_id))])


def rebuilt(before: Score, after: Score) -> Worlds:
    """Rebuild every world between two scores; both ends hold what was frozen, cell for cell."""
    operands = before.run.rubric_version.as_core().operands()
    found = worlds(before.provider_id, operands, *(Moment(one.run.as_of, one.cut_off) for one in (before, after)))
    for happened, score in ((frozenset[str](), before), (frozenset({"data", "bindings", "restatements"}), after)):
        frozen = inputs_of(score)
        for operand in operands:
            cells = found[happened].columns[operand], frozen.columns[operand]
            assert [int(one.state[0]) for one in cells] == [int(cells[1].state[0])] * 2, operand
            if cells[1].known[0]:
                assert cells[0].fraction(0) == cells[1].fraction(0), operand
    return found


def moved(one: Inputs, other: Inputs) -> dict[str, Fraction]:
    """Return by how much cells of two worlds differ."""

    def value(inputs: Inputs, operand: Operand) -> Fraction:
        return inputs.columns[operand].fraction(0) or Fraction(0)

    changes = {operand.measure: value(other, operand) - value(one, operand) for operand in one.columns}
    return {measure: change for measure, change in changes.items() if change}


@pytest.mark.parametrize(("happens", "named", "moves"), CORRECTIONS)
def test_a_correction_of_earlier_days_is_a_restatement(
    provider: Provider, happens: Happens, named: str, moves: dict[str, int]
) -> None:
    before = scored(provider, FIRST)
    happens(provider)
    after = scored(provider, LAST)
    found = rebuilt(before, after)
    earlier = found[frozenset()], found[frozenset({"restatements"})]
    told = {code: change for code, change in moved(*earlier).items() if code != "operated_uplift_bp"}
    if "quality_refund_orders_expected" in moves:
        assert told.keys() == moves.keys()
        assert told["quality_refund_orders_expected"] > 0
    else:
        assert told == moves
    cache.clear()
    with translation.override("en"):
        card = changes.change(before, after)
    whole(card)
    assert card.whole == ()
    assert parts(card)["restatements"] != 0
    [restated] = [cause for cause in card.causes if cause.cause == "restatements"]
    assert any(one.startswith(named) for one in restated.happened)


NEWS: list[Happens] = [
    lambda of: case(of, "decided,2022-05-10,2022-06-12,2022-06-20", severity="grave", code="V-GRAVE"),
    lambda of: case(of, "decided,2022-06-02,2022-06-03,", code="V-NEW"),
    lambda of: certificate(of, "junior,2022-03-10,2022-06-15"),
]  # fmt: skip


@pytest.mark.parametrize("happens", NEWS)
def test_news_of_later_days_restates_nothing(provider: Provider, happens: Happens) -> None:
    before = scored(provider, FIRST)
    happens(provider)
    found = rebuilt(before, scored(provider, LAST))
    assert found[frozenset()] is found[frozenset({"restatements"})]


def test_what_is_corrected_after_both_scores_changes_no_part(provider: Provider) -> None:
    before = scored(provider, FIRST)
    annul(provider)
    after = scored(provider, LAST)
    told = parts(changes.change(before, after))
    for happens, *_ in CORRECTIONS[1:]:
        happens(provider)
    rows.drain("beside", "room_month", "roll_up")
    rebuilt(before, after)
    cache.clear()
    found = changes.change(before, after)
    whole(found)
    assert (parts(found), found.whole) == (told, ())


def test_the_database_keeps_what_the_roll_up_reads() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, string_to_array(encode(tgargs, 'escape'), '\\000') FROM pg_trigger"
            " JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid"
            " WHERE proname = 'keep_versions' AND tgname LIKE '%_changed'"
        )
        kept = {table: {name for name in names if name} for table, names in cursor.fetchall()}
    del kept["providers_binding"]  # whose versions name the evidence too
    assert kept == {register.table: set(register.columns) for register in REGISTERS}


def test_a_version_is_kept_for_each_change_and_by_any_writer(provider: Provider) -> None:
    held = OperatorCertificate.objects.get()
    OperatorCertificate.objects.update(level="middle", period=DateRange(date(2022, 3, 10), LAST))
    OperatorCertificate.objects.update(level="middle")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE providers_operatorcertificate SET level = 'senior'")
    versions = RegisterVersion.objects.of(held)
    assert [one.known and one.known["level"] for one in versions] == [None, "junior", "middle"]
    assert [one.known and one.known["period"] for one in versions] == [
        None, "[2022-03-10,)", "[2022-03-10,2022-06-30)"
    ]  # fmt: skip
    moments = [one.recorded_to for one in versions]
    assert moments == sorted(set(moments))
