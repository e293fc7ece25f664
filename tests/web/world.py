"""Two tenants with everything a page can show; each one's texts carry a word that no page of the other may hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.db import models
from django.utils import timezone
from psycopg.types.range import DateRange

from ecosystem.clock import business_today
from ecosystem.models import ApiToken, AuditEntry, Notice, OutboxMessage, User, WorkRun, WorkScope
from ecosystem.models.audit import Verb
from ecosystem.roles import Role
from ecosystem.steps.accounts import issue_token
from providers import links
from providers.choices import BindingRole, GoodsCategory, Province
from providers.models import (
    Base,
    Binding,
    Conflict,
    Evidence,
    Invitation,
    Membership,
    Merchant,
    OperatedSession,
    OperatorCertificate,
    Provider,
    Qualification,
    Streamer,
    Violation,
)
from providers.models.members import MemberRole
from providers.steps.ingest import ingest
from scoring.models import (
    Benchmark,
    Comment,
    Consultation,
    Contest,
    Entry,
    Grant,
    Plan,
    PlanTarget,
    Progress,
    Run,
    Scenario,
    Score,
    Standing,
)
from scoring.steps import publish
from scoring.steps.consult import comment, open_consultation
from scoring.steps.rubrics import validate_rubric
from scoring.steps.scenarios import save_scenario
from scoring.steps.score import compute_run, store_inputs
from tests import factories
from tests.scoring import rows

AS_OF = rows.AS_OF
STAFF = sorted(frozenset(Role) - {Role.PROVIDER, Role.MACHINE})


@dataclass
class Tenant:
    """A provider with people and rows of every kind; ``word`` is in every text of it."""

    word: str
    provider: Provider
    people: dict[MemberRole, User]
    merchant: Merchant
    streamer: Streamer
    rows: dict[type[models.Model], Any] = field(default_factory=dict)
    invitation_token: str = ""
    binding_token: str = ""


@dataclass
class World:
    """Both tenants, the staff, a machine with its token, and the rows that belong to nobody."""

    ours: Tenant
    theirs: Tenant
    staff: dict[Role, User]
    machine: User
    token: str
    rows: dict[type[models.Model], Any]

    def row(self, model: type[models.Model]) -> Any:
        """Return the row of a table the matrix asks for: ours where the table has tenants."""
        return self.ours.rows.get(model) or self.rows[model]


def tenant(word: str, province: Province) -> Tenant:
    """Make a tenant with people, subjects, bindings, documents, cases and certificates."""
    provider = factories.provider(
        name=f"{word}电商（演示）",
        code=f"P-{word}",
        province=province,
        legal_person=f"{word}法人",
        contact_name=f"{word}联系人",
        contact_email=f"{word}@example.com",
    )
    people = {
        role: factories.member(
            provider, role, factories.user(name=f"{word} {role.value}", email=f"{role.value}-{word}@example.com")
        ).user
        for role in MemberRole
    }
    merchant = factories.merchant(name=f"{word}店", code=f"M-{word}", contact_email=f"shop-{word}@example.com")
    streamer = factories.streamer(
        name=f"{word}主播", code=f"S-{word}", person=f"person-{word}", contact_email=f"room-{word}@example.com"
    )
    made = Tenant(word, provider, people, merchant, streamer, invitation_token=f"token-{word}")
    invitation = factories.invitation(
        provider, made.invitation_token, email=f"invited-{word}@example.com", invited_by=people[MemberRole.OWNER]
    )
    confirmed = factories.binding(provider, merchant, evidence=f"{word} contract")
    factories.binding(provider, streamer, role=BindingRole.MCN)
    proposed = factories.binding(
        provider, factories.merchant(name=f"{word}新店"), role=BindingRole.ADS, status=Binding.Status.PROPOSED
    )
    made.binding_token = links.link(links.Question(proposed.pk, proposed.merchant.contact_email)).rsplit("/", 2)[1]
    document = factories.qualification(provider, number=f"{word}-1", issuer=f"{word}机关")
    document.file.save("licence.pdf", ContentFile(f"%PDF-1.7 {word}".encode()))
    claimant = factories.provider(name="争议方（演示）", province=province)
    conflict = factories.conflict(confirmed, claimant)
    said = Evidence(conflict=conflict, provider=provider, text=f"{word} statement", created_by=people[MemberRole.OWNER])
    said.file.save("contract.pdf", ContentFile(f"%PDF-1.7 {word}".encode()), save=False)
    said.save()
    made.rows = {
        Provider: provider,
        Membership: Membership.objects.get(user=people[MemberRole.ANALYST]),
        Invitation: invitation,
        Binding: confirmed,
        Conflict: conflict,
        Evidence: said,
        Merchant: merchant,
        Streamer: streamer,
        Qualification: document,
        Violation: factories.violation(provider, code=f"V-{word}", note=f"{word} note"),
        Base: factories.base(name=f"{word}基地", operated_by=provider),
        OperatorCertificate: OperatorCertificate.objects.create(
            number=f"C-{word}",
            provider=provider,
            person=f"operator-{word}",
            level=OperatorCertificate.Level.values[0],
            period=DateRange(date(2022, 1, 1), date(2023, 1, 1)),
        ),
        OperatedSession: OperatedSession.objects.create(
            code=f"O-{word}",
            provider=provider,
            streamer=streamer,
            operator=f"operator-{word}",
            day=AS_OF - timedelta(days=5),
            registered_hours_ahead=72,
            gmv_strict_fen=10_000_00,
            baseline_fen=5_000_00,
            baseline_sessions=6,
            day_index_bp=10_000,
            fell_below_after=False,
        ),
        User: people[MemberRole.ANALYST],
        Notice: Notice.objects.create(
            user=people[MemberRole.OWNER], kind="binding_confirmed", params={}, url=f"/bindings/{confirmed.pk}/"
        ),
    }
    Notice.objects.filter(user=people[MemberRole.OWNER]).update(
        params={"provider": provider.name, "subject": merchant.name}
    )
    return made


def scored(tenants: list[Tenant], rating: User) -> dict[type[models.Model], Any]:
    """Score both tenants: a published run, a provisional one, and an official one that waits for its review."""
    values = {one.provider: (60 - 10 * n, 700) for n, one in enumerate(tenants)}
    inputs = rows.inputs(values)
    official = rows.run(rows.rubric(), status=Run.Status.FROZEN, input_digest=inputs.sha256, opened_by=rating)
    store_inputs(official, inputs)
    compute_run(official.pk)
    publish.review_run(official.pk, note="looked at", actor=rating)
    publication = publish.publish_run(official.pk, actor=factories.user(Role.RATING))
    official.refresh_from_db()
    provisional = Run.objects.create(
        kind=Run.Kind.PROVISIONAL,
        as_of=AS_OF,
        rubric_version=official.rubric_version,
        status=Run.Status.COMPUTED,
        input_digest=inputs.sha256,
        rated=official.rated,
        computed_at=timezone.now(),
    )
    store_inputs(provisional, inputs)
    for one in tenants:
        score = Score.objects.get(run=official, provider=one.provider)
        score.pk, score.run = None, provisional
        score.save(force_insert=True)
        one.rows[Score] = score
        one.rows[Contest] = Contest.objects.create(
            provider=one.provider,
            score=score,
            node="S1",
            text=f"{one.word} objection",
            created_by=one.people[MemberRole.OWNER],
        )
    return {Run: official, type(publication): publication, type(official.rubric_version): official.rubric_version}


def consulted(tenants: list[Tenant], rating: User) -> dict[type[models.Model], Any]:
    """Put a draft into consultation, with a comment of each tenant, and keep a what-if of it."""
    draft = rows.rubric("2", live=3, published=False)
    validate_rubric(draft.pk, actor=rating)
    today = business_today()
    opened = open_consultation(
        draft.pk, starts_on=today, ends_before=today + timedelta(days=14), note="weights", actor=rating
    )
    for one in tenants:
        one.rows[Comment] = comment(
            opened.pk, provider_id=one.provider.pk, text=f"{one.word} comment", actor=one.people[MemberRole.OWNER]
        )
    run = Run.objects.provisional().get()
    return {Consultation: opened, Scenario: save_scenario(run.pk, text=draft.body, name="more sessions", actor=rating)}


def funded(tenants: list[Tenant], staff: dict[Role, User]) -> dict[type[models.Model], Any]:
    """Give a plan with a band, standings, progress, a pool and a paid-for grant to each tenant."""
    pool = rows.pool(cap=1_000_000)
    band = PlanTarget.objects.create(
        plan=pool.plan, code="band", name_zh="亿元档", name_en="Band", value="gmv_settled_once", unit="fen",
        at_least=100, target=10,
    )  # fmt: skip
    progress = Progress.objects.create(target=band, as_of=AS_OF, value=3, quality_value=2, gap=7)
    for n, one in enumerate(tenants, start=1):
        one.rows[Standing] = Standing.objects.create(
            plan=pool.plan, provider=one.provider, as_of=AS_OF, value=1000 - n, rank=n, band=band
        )
        one.rows[Grant] = Grant.objects.create(
            pool=pool,
            provider=one.provider,
            amount=100,
            reason=f"{one.word} reason",
            status=Grant.Status.APPROVED,
            proposed_by=staff[Role.INCENTIVES],
            decided_by=staff[Role.FINANCE],
            decided_at=timezone.now(),
            granted_on=AS_OF,
            expires_on=AS_OF + timedelta(days=90),
        )
    pool.committed = 100 * len(tenants)
    pool.save()
    entry = Entry.objects.filter(pool=pool).first() or Entry.objects.create(
        posting=uuid4(), pool=pool, account="available", amount=1
    )
    return {type(pool): pool, Plan: pool.plan, Progress: progress, Entry: entry}


def world() -> World:
    """Make the world of the matrix and of the tests of the admin and the REST interface."""
    staff = {role: factories.user(role) for role in STAFF}
    region = staff[Role.CATEGORY_REGION]
    region.scope_provinces = [Province.ZHEJIANG]
    region.save()
    ours, theirs = tenant("amberfinch", Province.ZHEJIANG), tenant("cobaltheron", Province.GUANGDONG)
    machine = factories.user(Role.MACHINE)
    token = issue_token(machine.pk, label="warehouse", days=30, actor=None)
    shared = scored([ours, theirs], staff[Role.RATING]) | funded([ours, theirs], staff)
    shared |= consulted([ours, theirs], staff[Role.RATING])
    batch = ingest("sales", BytesIO(b"day,merchant,paid_orders\n2022-06-01,nobody,1\n"), key="refused", source="api")
    now = timezone.now()
    shared |= {
        # Somebody's shop, whom the owners of the matrix may claim.
        Merchant: factories.binding().merchant,
        type(batch): batch,
        ApiToken: machine.api_tokens.get(),
        AuditEntry: AuditEntry.objects.record(Verb.REGISTER, "draft", ours.provider),
        WorkScope: WorkScope.objects.create(kind="roll_up", scope="0", state="parked", last_error="boom"),
        WorkRun: WorkRun.objects.create(kind="score", scopes=1, marks=1, started_at=now, ended_at=now),
        OutboxMessage: OutboxMessage.objects.create(key="k", recipient="a@example.com", subject="s", body="b"),
        Benchmark: Benchmark.objects.create(
            measure="paid_orders_expected",
            month=date(2022, 6, 1),
            category=GoodsCategory.APPAREL,
            numerator=3,
            denominator=2,
            members=[1, 2],
            digest=factories.sha256("benchmark"),
        ),
        type(factories.belt()): factories.belt(),
    }
    return World(ours, theirs, staff, machine, token, shared)
