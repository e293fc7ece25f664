"""Rows for tests: plain functions, one per noun, with values that satisfy every constraint."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from itertools import count
from typing import Any

from django.utils import timezone
from psycopg.types.range import DateRange

from ecosystem.models import User
from ecosystem.roles import Role
from providers import credit_code
from providers.choices import BindingRole, GoodsCategory, ProviderCategory, Province
from providers.models import (
    Base,
    Batch,
    Belt,
    Binding,
    Conflict,
    Evidence,
    Invitation,
    Membership,
    Merchant,
    Provider,
    Qualification,
    Streamer,
    Violation,
)
from providers.models.members import MemberRole

DAY = date(2022, 6, 1)
PASSWORD = "correct horse battery staple"
_numbers = count(1)


def number() -> int:
    """Return a number no other row of this run has."""
    return next(_numbers)


def sha256(text: str) -> str:
    """Return the hexadecimal SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def user(role: Role = Role.PROVIDER, **fields: Any) -> User:
    """Make a user; the password is ``PASSWORD`` only when asked for with ``password=PASSWORD`` (hashing is slow)."""
    fields.setdefault("email", f"{role}-{number()}@example.com")
    password = fields.pop("password", None)
    return User.objects.create_user(fields.pop("email"), password, role=role, **fields)


def demo_credit_code() -> str:
    """Return a credit code that is right by its check character and belongs to nobody."""
    return credit_code.complete(f"00DEM0{number():011d}")


def provider(status: Provider.Status = Provider.Status.APPROVED, **fields: Any) -> Provider:
    """Make a provider, approved unless told otherwise."""
    n = number()
    values: dict[str, Any] = {
        "code": f"P{n:05d}",
        "name": f"橙舟电商服务 {n}（演示）",
        "category": ProviderCategory.LOCAL_MERCHANT,
        "goods_category": GoodsCategory.APPAREL,
        "credit_code": demo_credit_code(),
        "province": Province.ZHEJIANG,
        "city": "杭州",
        "contact_name": "演示联系人",
        "contact_email": f"contact-{n}@example.com",
        "contact_phone": "100-0000-0000",
        "legal_person": f"演示法人 {n}",
        "status": status,
    }
    if status != Provider.Status.DRAFT:
        values["submitted_at"] = timezone.now()
    if status in {
        Provider.Status.APPROVED,
        Provider.Status.SUSPENDED,
        Provider.Status.WITHDRAWN,
        Provider.Status.EXPELLED,
    }:
        values["approved_on"] = DAY
    if status in {Provider.Status.WITHDRAWN, Provider.Status.EXPELLED}:
        values["ended_on"] = DAY + timedelta(days=10)
    return Provider.objects.create(**values | fields)


def called(one: Provider) -> dict[str, str]:
    """Return what a score keeps of its provider's name."""
    return {"provider_code": one.code, "provider_name": one.name, "provider_category": one.category}


def member(of: Provider | None = None, role: MemberRole = MemberRole.OWNER, person: User | None = None) -> Membership:
    """Make a membership (of a new provider, for a new user)."""
    return Membership.objects.create(provider=of or provider(), user=person or user(), role=role)


def owner(of: Provider | None = None) -> User:
    """Make a user who owns the provider (a new one unless given)."""
    return member(of).user


def invitation(of: Provider | None = None, token: str | None = None, **fields: Any) -> Invitation:
    """Make an open invitation whose token is ``token``."""
    values: dict[str, Any] = {
        "email": f"invited-{number()}@example.com",
        "role": MemberRole.ANALYST,
        "expires_at": timezone.now() + timedelta(days=14),
    }
    if "invited_by" not in fields:
        values["invited_by"] = user(Role.RECRUITING)
    values["digest"] = sha256(token or f"token {number()}")
    return Invitation.objects.create(provider=of or provider(), **values | fields)


def qualification(of: Provider | None = None, **fields: Any) -> Qualification:
    """Make a document that waits for its review."""
    values: dict[str, Any] = {
        "kind": Qualification.Kind.BUSINESS_LICENCE,
        "number": f"DEMO-{number()}",
        "issuer": "演示机关",
        "valid_from": DAY - timedelta(days=100),
        "valid_until": DAY + timedelta(days=265),
    }
    return Qualification.objects.create(provider=of or provider(), **values | fields)


def belt(**fields: Any) -> Belt:
    """Make an industrial belt."""
    values: dict[str, Any] = {
        "code": f"belt-{number()}",
        "name": "演示产业带",
        "province": Province.ZHEJIANG,
        "city": "杭州",
        "category": GoodsCategory.APPAREL,
        "goods": "女装",
        "intensity": 5,
    }
    return Belt.objects.create(**values | fields)


def base(**fields: Any) -> Base:
    """Make a base in review."""
    values: dict[str, Any] = {
        "code": f"base-{number()}",
        "name": "演示基地",
        "province": Province.ZHEJIANG,
        "city": "杭州",
    }
    return Base.objects.create(**values | fields)


def merchant(**fields: Any) -> Merchant:
    """Make a merchant."""
    n = number()
    values: dict[str, Any] = {
        "code": f"M{n:06d}",
        "name": f"演示·女装{n}店",
        "category": GoodsCategory.APPAREL,
        "contact_email": f"shop-{n}@example.com",
    }
    return Merchant.objects.create(**values | fields)


def streamer(**fields: Any) -> Streamer:
    """Make a streamer who is one real person of their own."""
    n = number()
    values: dict[str, Any] = {
        "code": f"S{n:06d}",
        "name": f"演示主播-{n:04d}",
        "person": f"person-{n}",
        "category": GoodsCategory.APPAREL,
        "contact_email": f"streamer-{n}@example.com",
    }
    return Streamer.objects.create(**values | fields)


def binding(
    of: Provider | None = None,
    subject: Merchant | Streamer | None = None,
    *,
    starts_on: date = DAY,
    ends_before: date | None = None,
    **fields: Any,
) -> Binding:
    """Make a binding, confirmed unless told otherwise; the period is half-open."""
    subject = subject or merchant()
    values: dict[str, Any] = {
        "role": BindingRole.OPERATION,
        "period": DateRange(starts_on, ends_before),
        "status": Binding.Status.CONFIRMED,
    }
    if fields.get("status", Binding.Status.CONFIRMED) == Binding.Status.CONFIRMED:
        values |= {"confirmed_at": timezone.now(), "confirmed_by": "演示商家"}
    values["merchant" if isinstance(subject, Merchant) else "streamer"] = subject
    return Binding.objects.create(provider=of or provider(), **values | fields)


def share(lead: Binding, bp: int, of: Provider | None = None, **fields: Any) -> Binding:
    """Make a share of a confirmed binding, for all its days unless told otherwise."""
    period: DateRange = fields.pop("period", lead.period)
    values = {"role": lead.role, "lead": lead, "share_bp": bp, "starts_on": period.lower, "ends_before": period.upper}
    return binding(of, lead.merchant or lead.streamer, **values | fields)


def conflict(contested: Binding | None = None, claimant: Provider | None = None, **fields: Any) -> Conflict:
    """Make an open conflict about all days of a binding, with the claimant's statement."""
    contested, claimant = contested or binding(), claimant or provider()
    person = fields.pop("opened_by", None) or owner(claimant)
    values: dict[str, Any] = {"period": contested.period, "answer_by": DAY + timedelta(days=7)}
    made = Conflict.objects.create(binding=contested, claimant=claimant, opened_by=person, **values | fields)
    Evidence.objects.create(conflict=made, provider=claimant, text="合同在我方（演示）", created_by=person)
    return made


def violation(of: Provider | None = None, **fields: Any) -> Violation:
    """Make an open violation case."""
    values: dict[str, Any] = {
        "code": f"V{number():05d}",
        "kind": Violation.Kind.FALSE_ADVERTISING,
        "severity": Violation.Severity.MINOR,
        "opened_on": DAY,
    }
    return Violation.objects.create(provider=of or provider(), **values | fields)


def batch(feed: str = "sales", **fields: Any) -> Batch:
    """Make an applied batch without rows."""
    n = number()
    values: dict[str, Any] = {"key": f"key-{n}", "digest": sha256(str(n)), "status": Batch.Status.APPLIED}
    return Batch.objects.create(feed=feed, **values | fields)
