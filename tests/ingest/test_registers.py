"""Registers: added, updated and refused by file."""

from __future__ import annotations

import io
from datetime import date

import pytest
from django.db import connection
from psycopg.types.range import DateRange

from ecosystem.models import WorkMark
from providers.models import (
    Base,
    Batch,
    Belt,
    Binding,
    Merchant,
    OperatedSession,
    OperatorCertificate,
    Provider,
    RegisterVersion,
    Streamer,
    Violation,
)
from providers.readers.mapping import read_mapping
from providers.steps.ingest import ingest, load_belts
from tests import factories
from tests.flow.rolling import deliver

pytestmark = pytest.mark.django_db


def send(feed: str, text: str, *, key: str = "one", **kwargs) -> Batch:
    return ingest(feed, io.BytesIO(text.encode()), key=key, **kwargs)


def counts(batch: Batch) -> tuple[str, int, int, int]:
    return batch.status, batch.rows_added, batch.rows_changed, batch.rows_same


def faults(batch: Batch) -> list[tuple[int, str]]:
    return list(batch.row_errors.order_by("row", "id").values_list("row", "column"))


def test_the_catalogue_of_belts_loads_once():
    assert counts(load_belts()) == ("applied", 78, 0, 0)
    assert load_belts().pk == Batch.objects.get().pk
    assert Belt.objects.get(code="belt-03").name == "义乌"


def test_providers_arrive_approved_with_their_evidence():
    code = factories.demo_credit_code()
    batch = send(
        "providers",
        "provider,name,category,country,credit_code,approved_on,evidence\n"
        f"W-1,橙舟（演示）,MCN,CN,{code},2021-03-01,warehouse export 7\n"
        "W-2,Rep 2 (demo),BELT,BR,,,closed deals\n",
    )
    assert counts(batch) == ("applied", 2, 0, 0)
    one = Provider.objects.get(code="W-1")
    assert (one.status, one.approved_on, one.decision_reason) == ("approved", date(2021, 3, 1), "warehouse export 7")
    assert Provider.objects.get(code="W-2").credit_code == ""
    again = send(
        "providers",
        "provider,name,category,country,evidence\nW-2,Rep two (demo),BELT,BR,closed deals\n",
        key="two",
    )
    assert counts(again) == ("applied", 0, 1, 0)
    assert Provider.objects.get(code="W-2").name == "Rep two (demo)"


def test_a_provider_with_a_bad_or_taken_credit_code_is_refused():
    known = factories.provider()
    fresh = factories.demo_credit_code()
    broken = fresh[:-1] + ("0" if fresh[-1] != "0" else "1")
    batch = send(
        "providers",
        "provider,name,category,credit_code,evidence\n"
        f"W-1,a,MCN,{broken},x\nW-2,a,MCN,{known.credit_code},x\nW-3,a,MCN,{fresh},x\nW-4,a,MCN,{fresh},x\nW-5,a,MCN,,x\n",
    )
    assert batch.status == "refused"
    assert faults(batch) == [(line, "credit_code") for line in (2, 3, 5, 6)]
    assert Provider.objects.count() == 1


def test_merchants_are_updated_in_the_columns_delivered_and_their_providers_marked():
    shop = factories.merchant(city="杭州")
    served = factories.provider()
    factories.binding(served, shop, starts_on=date(2022, 1, 1))
    WorkMark.objects.all().delete()
    batch = send(
        "merchants", f"merchant,name,category\n{shop.code},{shop.name},tea_liquor\nM-new,演示·茶叶店,tea_liquor\n"
    )
    assert counts(batch) == ("applied", 1, 1, 0)
    shop.refresh_from_db()
    assert (shop.category, shop.city) == ("tea_liquor", "杭州")
    assert Merchant.objects.get(code="M-new").country == "CN"
    assert list(WorkMark.objects.values_list("kind", "scope")) == [("roll_up", str(served.pk))]


def test_a_corrected_row_reaches_whom_it_was_about_before():
    one, other, kept, sister = (factories.provider() for _ in range(4))
    header = "violation,provider,kind,severity,opened_on\n"
    send("violations", f"{header}V-1,{one.code},fraud,grave,2022-03-01\n")
    store, shop = factories.merchant(), factories.merchant()
    room = factories.streamer(merchant=store, person="first")
    for provider, subject, role in (
        (one, store, "operation"),
        (other, shop, "operation"),
        (sister, factories.streamer(person="first"), "mcn"),
        (kept, factories.streamer(person="second"), "mcn"),
    ):
        factories.binding(provider, subject, role=role, starts_on=date(2022, 1, 1))
    WorkMark.objects.all().delete()
    send("violations", f"{header}V-1,{other.code},fraud,grave,2022-05-01\n", key="two")
    marks = dict(WorkMark.objects.filter(kind="roll_up").values_list("scope", "from_day"))
    assert marks == {str(one.pk): date(2022, 3, 1), str(other.pk): date(2022, 5, 1)}
    WorkMark.objects.all().delete()
    send("streamers", f"streamer,name,person,merchant\n{room.code},{room.name},second,{shop.code}\n", key="three")
    marked = set(WorkMark.objects.filter(kind="roll_up").values_list("scope", flat=True))
    assert marked == {str(provider.pk) for provider in (one, other, kept, sister)}


def test_bindings_name_one_subject_and_do_not_overlap():
    provider, other, shop = factories.provider(), factories.provider(), factories.merchant()
    header = "provider,merchant,streamer,role,starts_on,ends_before,evidence\n"
    batch = send(
        "bindings",
        f"{header}{provider.code},{shop.code},,operation,2022-01-01,2022-03-01,contract 1\n"
        f"{other.code},{shop.code},,operation,2022-03-01,,contract 2\n",
    )
    assert counts(batch) == ("applied", 2, 0, 0)
    assert Binding.objects.confirmed().filter(batch=batch, evidence="contract 2").count() == 1
    refused = send(
        "bindings",
        f"{header}{provider.code},{shop.code},,operation,2022-05-01,,contract 3\n"
        f"{provider.code},,,mcn,2022-05-01,,contract 4\n{provider.code},{shop.code},,mcn,2022-05-01,,\n",
        key="two",
    )
    assert refused.status == "refused"
    assert (4, "evidence") in faults(refused)
    overlap = send("bindings", f"{header}{provider.code},{shop.code},,operation,2022-05-01,,x\n", key="three")
    assert faults(overlap) == [(2, "starts_on")]
    assert Binding.objects.count() == 2


def test_bindings_bring_shares_of_a_lead_in_the_same_file_or_an_earlier_one():
    lead, part, third = (factories.provider() for _ in range(3))
    shop = factories.merchant()
    header = "provider,merchant,role,starts_on,ends_before,evidence,lead,share_bp\n"
    first = f"{lead.code},{shop.code},operation,2022-01-01,2022-09-01,contract 1,,\n"
    share = f"{part.code},{shop.code},operation,2022-03-01,,contract 2,{lead.code},4000\n"
    assert counts(send("bindings", header + share + first)) == ("applied", 2, 0, 0)
    held = Binding.objects.get(lead=None)
    made = held.shares.get()
    assert (made.provider, made.share_bp, made.status, made.evidence) == (part, 4000, "confirmed", "contract 2")
    assert (made.period.lower, made.period.upper) == (date(2022, 3, 1), date(2022, 9, 1))
    marks = dict(WorkMark.objects.filter(kind="roll_up").values_list("scope", "from_day"))
    assert marks == {str(lead.pk): date(2022, 1, 1), str(part.pk): date(2022, 3, 1)}
    deliver("sales", "merchant", date(2022, 6, 1), batch=factories.batch())
    shorter = share.replace(",,contract 2", ",2022-06-01,contract 2")
    assert counts(send("bindings", header + share, key="two")) == ("applied", 0, 0, 1)
    assert counts(send("bindings", header + shorter, key="three")) == ("applied", 0, 1, 0)
    assert (held.shares.get().period.upper, RegisterVersion.objects.of(made).count()) == (date(2022, 6, 1), 1)
    # The lead has more from then on.
    assert WorkMark.objects.get(kind="beside", scope=f"merchant:{shop.pk}").from_day == date(2022, 6, 1)
    refused = send(
        "bindings",
        header
        + f"{third.code},{shop.code},operation,2022-05-01,,contract 3,{lead.code},6000\n"  # leaves the lead nothing
        + f"{third.code},{shop.code},operation,2022-09-01,,contract 3,{lead.code},100\n"  # the lead is over
        + f"{third.code},{shop.code},operation,2022-04-01,2022-10-01,contract 3,{lead.code},100\n"
        + f"{lead.code},{shop.code},operation,2022-04-02,,contract 3,{lead.code},100\n"
        + f"{third.code},{shop.code},operation,2022-04-03,,contract 3,{lead.code},\n",
        key="four",
    )
    assert (refused.status, faults(refused)) == ("refused", [(5, "lead"), (6, "share_bp")])
    for number, (line, column) in enumerate(
        [
            (f"{third.code},{shop.code},operation,2022-05-01,,contract 3,{lead.code},6000\n", "share_bp"),
            (f"{third.code},{shop.code},operation,2022-09-01,,contract 3,{lead.code},100\n", "starts_on"),
            (f"{third.code},{shop.code},operation,2022-04-01,2022-10-01,contract 3,{lead.code},100\n", "ends_before"),
            (f"{part.code},{shop.code},operation,2022-02-01,,contract 3,{lead.code},100\n", "starts_on"),
            (share.replace("4000", "10000"), "share_bp"),
        ]
    ):
        another = f"{third.code},{shop.code},training,2022-01-01,,contract 4,,\n"
        refused = send("bindings", header + another + line, key=f"wrong {number}")
        assert (refused.status, faults(refused)) == ("refused", [(3, column)])
    assert Binding.objects.count() == 2


HEADER = "provider,merchant,role,starts_on,ends_before,evidence,lead,share_bp\n"


@pytest.fixture
def split() -> tuple[Binding, Binding, Binding]:
    """Return a lead with two shares of its days, and a day of facts."""
    lead = factories.binding(starts_on=date(2022, 1, 1), ends_before=date(2022, 9, 1))
    period = DateRange(date(2022, 3, 1), date(2022, 9, 1))
    made = lead, factories.share(lead, 4000, period=period), factories.share(lead, 3000, period=period)
    deliver("sales", "merchant", date(2022, 6, 1), batch=factories.batch())
    WorkMark.objects.all().delete()
    return made


def part(share: Binding, *, starts_on: str, ends_before: str = "", bp: int) -> str:
    """Write a row that gives the share's provider a part of its lead."""
    assert share.merchant is not None
    assert share.lead is not None
    about = f"{share.provider.code},{share.merchant.code},operation,{starts_on},{ends_before}"
    return f"{about},contract {bp},{share.lead.provider.code},{bp}\n"


def parts(lead: Binding) -> list[tuple[str, int | None, str]]:
    """Return the lead's standing shares: first day and first day after, basis points, evidence; the ledger holds."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    found = lead.shares.confirmed().order_by("period", "share_bp")
    return [(f"{one.period.lower:%m-%d} {one.period.upper:%m-%d}", one.share_bp, one.evidence) for one in found]


def marks() -> dict[str, date | None]:
    return {f"{one.kind} {one.scope}": one.from_day for one in WorkMark.objects.all()}


def test_a_file_changes_a_standing_share_from_a_day_on(split):
    lead, share, other = split
    batch = send("bindings", HEADER + part(share, starts_on="2022-06-01", bp=5000))
    assert counts(batch) == ("applied", 0, 1, 0)
    contract = share.evidence
    assert parts(lead) == [
        ("03-01 06-01", 4000, contract), ("03-01 09-01", 3000, contract), ("06-01 09-01", 5000, "contract 5000")
    ]  # fmt: skip
    # The lead and the other share stand beside it: the ledger's next step marks them from the same day.
    day = date(2022, 6, 1)
    assert marks() == {f"roll_up {share.provider_id}": day, f"beside merchant:{lead.merchant_id}": day}
    assert not RegisterVersion.objects.of(other).exists()
    [version] = RegisterVersion.objects.of(share)
    assert version.known is not None
    assert (version.known["period"], version.known["share_bp"]) == ("[2022-03-01,2022-09-01)", 4000)
    again = send("bindings", HEADER + part(share, starts_on="2022-06-01", bp=5000), key="two")
    assert counts(again) == ("applied", 0, 0, 1)


def test_a_file_corrects_a_standing_share_in_retrospect(split):
    lead, share, other = split
    rows = part(share, starts_on="2022-03-01", bp=6500) + part(other, starts_on="2022-03-01", bp=3400)
    # Only the end of the file counts: with the first row alone less than nothing would be left.
    assert counts(send("bindings", HEADER + rows)) == ("applied", 0, 2, 0)
    assert parts(lead) == [("03-01 09-01", 3400, "contract 3400"), ("03-01 09-01", 6500, "contract 6500")]
    day = date(2022, 3, 1)
    assert marks() == {f"roll_up {one.provider_id}": day for one in (share, other)} | {
        f"beside merchant:{lead.merchant_id}": day
    }
    WorkMark.objects.all().delete()
    shorter = part(share, starts_on="2022-03-01", ends_before="2022-05-01", bp=6500)
    assert counts(send("bindings", HEADER + shorter, key="two")) == ("applied", 0, 1, 0)
    assert marks()[f"roll_up {share.provider_id}"] == date(2022, 5, 1)
    assert [one.known and one.known["share_bp"] for one in RegisterVersion.objects.of(share)] == [4000, 6500]


def test_rows_that_change_shares_are_applied_together_or_not_at_all(split):
    lead, share, other = split
    before = parts(lead)
    good = part(share, starts_on="2022-06-01", bp=5000)
    for number, (rows, line, column) in enumerate(
        [
            (good + part(other, starts_on="2022-06-01", bp=5000), 3, "share_bp"),
            (good + part(share, starts_on="2022-07-01", bp=100), 3, "starts_on"),
            (good + part(other, starts_on="2022-02-01", bp=100), 3, "starts_on"),
            (good + part(other, starts_on="2022-06-01", ends_before="2022-10-01", bp=100), 3, "ends_before"),
        ]
    ):
        refused = send("bindings", HEADER + rows, key=f"wrong {number}")
        assert (refused.status, faults(refused)) == ("refused", [(line, column)])
    assert (parts(lead), marks()) == (before, {})
    together = (
        part(share, starts_on="2022-05-01", ends_before="2022-06-01", bp=1000)
        + part(share, starts_on="2022-06-01", bp=6900)
        + part(other, starts_on="2022-03-01", ends_before="2022-06-01", bp=3000)
        + part(other, starts_on="2022-06-01", bp=3000)
    )
    assert counts(send("bindings", HEADER + together)) == ("applied", 1, 3, 0)
    assert [(days, bp) for days, bp, _ in parts(lead)] == [
        ("03-01 05-01", 4000), ("03-01 06-01", 3000), ("05-01 06-01", 1000), ("06-01 09-01", 3000),
        ("06-01 09-01", 6900),
    ]  # fmt: skip


def test_the_smaller_registers():
    provider, belt = factories.provider(), factories.belt()
    store = factories.merchant()
    assert counts(
        send(
            "streamers",
            f"streamer,name,person,merchant,followers\nS-1,演示主播-0001,p-1,{store.code},1200\n",
        )
    ) == ("applied", 1, 0, 0)
    assert Streamer.objects.get().merchant == store
    assert (
        send(
            "bases",
            "base,name,belt,province,city,operated_by,status,awarded_on\n"
            f"b-1,演示基地,{belt.code},33,杭州,{provider.code},awarded,2021-05-01\n",
        ).status
        == "applied"
    )
    assert Base.objects.get().operated_by == provider
    assert (
        send(
            "operated_sessions",
            "session,provider,streamer,operator,day,registered_hours_ahead,gmv_strict_fen,baseline_fen,"
            "baseline_sessions,day_index_bp,fell_below_after\n"
            f"s-1,{provider.code},S-1,p-9,2022-05-01,30,500000,300000,8,10000,0\n",
        ).status
        == "applied"
    )
    assert OperatedSession.objects.get().batch_id
    assert (
        send(
            "operator_certificates",
            f"certificate,provider,person,level,starts_on,ends_before\nc-1,{provider.code},p-9,senior,2022-01-01,\n",
        ).status
        == "applied"
    )
    assert OperatorCertificate.objects.get().period.upper is None
    batch = send(
        "violations",
        "violation,provider,kind,severity,status,opened_on,decided_on\n"
        f"v-1,{provider.code},uncivil_language,minor,open,2022-05-01,\n"
        f"v-2,{provider.code},uncivil_language,minor,decided,2022-05-01,\n",
    )
    assert faults(batch) == [(3, "decided_on")]
    assert not Violation.objects.exists()


def test_every_fault_of_a_register_row_is_named():
    batch = send(
        "merchants",
        "merchant,name,category,belt,opened_on\n"
        'M 1,a,apparel,,\nM-2,,fashion,,2022-13-01\nM-3,c,,nowhere,\nM-3,"a\tb",,,\n',
    )
    assert faults(batch) == [
        (2, "merchant"),
        (3, "category"),
        (3, "name"),
        (3, "opened_on"),
        (4, "belt"),
        (5, "name"),
    ]


def test_a_mapping_filters_renames_and_translates():
    provider = factories.provider()
    mapping = read_mapping(
        """
feed: merchants
columns:
  merchant: shop_id
  category: {from: kind, values: {food: food, wine: tea_liquor}, otherwise: other}
constants: {country: BR}
where: {state: [SP, RJ]}
rest: ignore
"""
    )
    batch = send(
        "merchants",
        "shop_id,name,kind,state,zip\n1,a,wine,SP,1\n2,b,shoes,RJ,2\n3,c,wine,XX,3\n",
        mapping=mapping,
    )
    assert (batch.status, batch.rows) == ("applied", 2)
    assert list(Merchant.objects.order_by("code").values_list("code", "category", "country")) == [
        ("1", "tea_liquor", "BR"),
        ("2", "other", "BR"),
    ]
    assert provider.bindings.count() == 0
