"""Fund: amounts move from a pool to providers, double-entry, one person proposing and another deciding.

The pool's counter moves by one conditional UPDATE, so that no number of approvals at once passes the cap. Every change
books lines that add up to zero: ``committed`` = cap − available, ``paid`` and ``expired`` are account balances.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import MAY, require
from ecosystem.steps.notify import notify
from providers.models import Provider
from scoring.errors import BudgetExceeded, SecondPersonNeeded
from scoring.models import BudgetPool, Entry, Grant
from scoring.models.budgets import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAFFIC_LASTS = timedelta(days=30)
Account = Entry.Account


@transaction.atomic(durable=True)
def endow(pool_id: int, *, amount: int, actor: User) -> BudgetPool:
    """Raise a pool's cap by an amount of its unit."""
    require(actor, "manage_pool")
    if amount <= 0:
        raise InvalidInput(_("An endowment must be more than nothing."))
    return book_endowment(pool_id, amount=amount, actor=actor)


def book_endowment(pool_id: int, *, amount: int, actor: User | None) -> BudgetPool:
    """Raise the cap and book where it comes from, in the caller's transaction."""
    BudgetPool.objects.filter(pk=pool_id).update(cap=F("cap") + amount)
    pool = BudgetPool.objects.get(pk=pool_id)
    _book(pool, None, {Account.ENDOWMENT: -amount, Account.AVAILABLE: amount})
    AuditEntry.objects.record(Verb.FUND, "endow", pool, actor=actor, detail={"amount": amount, "cap": pool.cap})
    return pool


@transaction.atomic(durable=True)
def propose_grant(
    pool_id: int,
    *,
    provider_id: int,
    amount: int,
    reason: str,
    actor: User,
    score_id: int | None = None,
    expires_on: date | None = None,
) -> Grant:
    """Propose an amount of the pool's unit for a provider; nothing is reserved before a second person approves."""
    require(actor, "propose_grant")
    if amount <= 0 or not reason.strip():
        raise InvalidInput(_("A grant needs an amount above nothing and a reason."))
    if expires_on is not None and expires_on <= business_today():
        raise InvalidInput(_("A grant must end after today, not on %(day)s.") % {"day": expires_on})
    provider = _fit_for_grants(provider_id)
    grant = Grant.objects.create(
        pool_id=pool_id,
        provider=provider,
        amount=amount,
        reason=reason.strip(),
        score_id=score_id,
        expires_on=expires_on,
        proposed_by=actor,
    )
    _record("propose_grant", grant, actor=actor)
    finance = User.objects.filter(role__in=MAY["approve_grant"], is_active=True).exclude(pk=actor.pk).order_by("pk")
    notify(finance, "grant_proposed", params=_params(grant, amount), url=_page(grant))
    return grant


def _fit_for_grants(provider_id: int) -> Provider:
    """Hold a provider that may receive grants."""
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if provider.status != Provider.Status.APPROVED:
        raise WrongStatus(
            _("The provider is %(found)s; grants need an approved one.") % {"found": provider.get_status_display()}
        )
    return provider


@transaction.atomic(durable=True)
def approve_grant(grant_id: int, *, actor: User) -> Grant:
    """Commit the amount, by someone else than the proposer and never beyond the pool's cap."""
    grant = _decide(grant_id, Grant.Status.APPROVED, actor=actor)
    _fit_for_grants(grant.provider_id)
    today = business_today()
    if grant.expires_on is None and grant.pool.unit == Unit.IMPRESSIONS:
        grant.expires_on = today + TRAFFIC_LASTS
    grant.granted_on = today
    grant.save(update_fields=["expires_on", "granted_on"])
    committed = BudgetPool.objects.filter(pk=grant.pool_id, cap__gte=F("committed") + grant.amount).update(
        committed=F("committed") + grant.amount
    )
    if not committed:
        pool = BudgetPool.objects.get(pk=grant.pool_id)
        raise BudgetExceeded(
            _("The grant asks for %(asked)s, pool %(pool)s has %(left)s left.")
            % {"asked": pool.text(grant.amount), "pool": pool, "left": pool.text(pool.available)},
            detail={"asked": grant.amount, "available": pool.available},
        )
    _book(grant.pool, grant, {Account.AVAILABLE: -grant.amount, Account.COMMITTED: grant.amount})
    _record("approve_grant", grant, actor=actor)
    _tell(grant, "grant_approved", grant.amount)
    _mark_traffic(grant, today)
    return grant


@transaction.atomic(durable=True)
def refuse_grant(grant_id: int, *, reason: str, actor: User) -> Grant:
    """Turn a proposal down; the proposer learns why."""
    if not reason.strip():
        raise InvalidInput(_("A refusal needs a reason."))
    grant = _decide(grant_id, Grant.Status.REFUSED, actor=actor)
    _record("refuse_grant", grant, actor=actor, cause=reason.strip())
    params = _params(grant, grant.amount, reason=reason.strip())
    notify([grant.proposed_by], "grant_refused", params=params, url=_page(grant))
    return grant


@transaction.atomic(durable=True)
def settle_grant(grant_id: int, *, amount: int, actor: User) -> Grant:
    """Book that part or all of a grant was paid (money) or used (traffic); settled in full it is done."""
    require(actor, "approve_grant")
    grant = _approved(grant_id)
    left = grant.amount - grant.settled_amount
    if not 0 < amount <= left:
        raise InvalidInput(
            _("The grant has %(left)s left to settle, %(amount)s was asked.")
            % {"left": grant.pool.text(left), "amount": grant.pool.text(amount)}
        )
    grant.settled_amount += amount
    grant.settled_on = business_today()
    if grant.settled_amount == grant.amount:
        grant.status = Grant.Status.PAID
    grant.save(update_fields=["settled_amount", "settled_on", "status"])
    _move(grant, committed=-amount, paid=amount)
    _record("settle_grant", grant, actor=actor, detail={"settled": amount})
    _tell(grant, "grant_settled", amount)
    return grant


@transaction.atomic(durable=True)
def expire_grant(grant_id: int, *, actor: User | None = None) -> Grant:
    """Let what is left of a grant lapse after its last day; without an actor the portal does it by the calendar."""
    if actor is not None:
        require(actor, "approve_grant")
    grant = _approved(grant_id)
    today = business_today()
    if grant.expires_on is None or grant.expires_on > today:
        raise WrongStatus(
            _("The grant lapses on %(day)s, not before.") % {"day": grant.expires_on or _("no day at all")}
        )
    left = grant.amount - grant.settled_amount
    grant.status = Grant.Status.EXPIRED
    grant.save(update_fields=["status"])
    _move(grant, committed=-left, expired=left)
    _record("expire_grant", grant, actor=actor, detail={"expired": left})
    _tell(grant, "grant_expired", left)
    _mark_traffic(grant, grant.expires_on)
    return grant


def expire_due_grants() -> int:
    """Let every grant lapse whose last day has passed; return how many."""
    due = Grant.objects.filter(status=Grant.Status.APPROVED, expires_on__lte=business_today()).order_by("pk")
    lapsed = 0
    for grant_id in list(due.values_list("pk", flat=True)):
        try:
            expire_grant(grant_id)
        except WrongStatus:  # settled or clawed back since the list was read
            continue
        lapsed += 1
    return lapsed


@transaction.atomic(durable=True)
def claw_back_grant(grant_id: int, *, amount: int, reason: str, actor: User) -> Grant:
    """Take back what was not yet settled and ``amount`` of what was paid or used; ends the grant."""
    require(actor, "approve_grant")
    grant = _locked(grant_id, {Grant.Status.APPROVED, Grant.Status.PAID})
    if not reason.strip() or not 0 <= amount <= grant.settled_amount:
        raise InvalidInput(
            _("A claw-back needs a reason and at most the %(settled)s that was settled.")
            % {"settled": grant.pool.text(grant.settled_amount)}
        )
    left = grant.amount - grant.settled_amount
    if amount + left == 0:
        raise InvalidInput(_("There is nothing to take back."))
    grant.settled_amount -= amount
    grant.status = Grant.Status.CLAWED_BACK
    grant.save(update_fields=["settled_amount", "status"])
    _move(grant, committed=-left, paid=-amount, expired=left + amount)
    _record("claw_back_grant", grant, actor=actor, cause=reason.strip(), detail={"clawed_back": left + amount})
    _tell(grant, "grant_clawed_back", left + amount, reason=reason.strip())
    _mark_traffic(grant, business_today())
    return grant


def _decide(grant_id: int, status: Grant.Status, *, actor: User) -> Grant:
    """Move a proposal by one conditional UPDATE, by a finance person who is not the proposer."""
    require(actor, "approve_grant")
    moved = (
        Grant.objects.filter(pk=grant_id, status=Grant.Status.PROPOSED)
        .exclude(proposed_by=actor)
        .update(status=status, decided_by=actor, decided_at=timezone.now())
    )
    grant = Grant.objects.select_related("pool", "provider", "proposed_by").get(pk=grant_id)
    if not moved:
        if grant.status == Grant.Status.PROPOSED:
            raise SecondPersonNeeded(_("You proposed this grant; someone else must decide."))
        raise WrongStatus(
            _("The grant is %(found)s; only a proposal can be decided.") % {"found": grant.get_status_display()}
        )
    return grant


def _approved(grant_id: int) -> Grant:
    return _locked(grant_id, {Grant.Status.APPROVED})


def _locked(grant_id: int, needs: set[Grant.Status]) -> Grant:
    """Hold a grant that is in one of the statuses needed."""
    grant = Grant.objects.select_for_update(of=("self",)).select_related("pool", "provider").get(pk=grant_id)
    if grant.status not in needs:
        raise WrongStatus(
            _("The grant is %(found)s; this step needs it %(needed)s.")
            % {
                "found": grant.get_status_display(),
                "needed": " / ".join(sorted(str(status.label) for status in needs)),
            }
        )
    return grant


def _move(grant: Grant, *, committed: int = 0, paid: int = 0, expired: int = 0) -> None:
    """Book amounts between a grant's accounts; what lapses returns to a pool of money, never to one of traffic."""
    returns = expired if grant.pool.lapsed_returns else 0
    BudgetPool.objects.filter(pk=grant.pool_id).update(
        committed=F("committed") - returns, paid=F("paid") + paid, expired=F("expired") + expired
    )
    _book(grant.pool, grant, {Account.COMMITTED: committed, Account.PAID: paid, Account.EXPIRED: expired})
    _book(grant.pool, grant, {Account.ENDOWMENT: -returns, Account.AVAILABLE: returns})


def _book(pool: BudgetPool, grant: Grant | None, lines: Mapping[Account, int]) -> None:
    """Write the lines of one posting; the database refuses one that does not add up to zero."""
    posting = uuid4()
    Entry.objects.bulk_create(
        Entry(posting=posting, pool=pool, grant=grant, account=account, amount=amount)
        for account, amount in lines.items()
        if amount
    )


def _params(grant: Grant, amount: int, **more: object) -> dict[str, object]:
    text = {language: Unit(grant.pool.unit).text(amount, language) for language in ("zh-hans", "en")}
    return {"provider": grant.provider.name, "amount_text": text, **more}


def _page(grant: Grant) -> str:
    return reverse("admin:scoring_grant_change", args=[grant.pk])


def _tell(grant: Grant, kind: str, amount: int, **more: object) -> None:
    """Notify the provider's members."""
    users = User.objects.filter(memberships__provider=grant.provider_id, is_active=True).order_by("pk")
    key = f"{kind}:{grant.pk}:{grant.settled_amount}"
    notify(users, kind, params=_params(grant, amount, **more), url=reverse("scoring:plan"), key=key)


def _record(
    action: str, grant: Grant, *, actor: User | None, cause: str = "", detail: Mapping[str, object] | None = None
) -> None:
    AuditEntry.objects.record(
        Verb.FUND,
        action,
        grant,
        actor=actor,
        cause=cause,
        detail={"pool": grant.pool.code, "amount": grant.amount, "status": grant.status, **(detail or {})},
    )


def _mark_traffic(grant: Grant, day: date) -> None:
    """Have the provider's days redone where granted impressions are a measure."""
    if grant.pool.unit == Unit.IMPRESSIONS:
        ledger.mark("roll_up", [(str(grant.provider_id), day)], cause=f"grant {grant.pk} {grant.status}")
