"""Questions about providers that steps and pages both ask."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet, Sum
from django.urls import reverse

from ecosystem.clock import business_today
from ecosystem.models import User
from providers.choices import ProviderCategory
from providers.models import Binding, Provider, Qualification
from providers.models.members import MemberRole

ENDED = (Provider.Status.WITHDRAWN, Provider.Status.EXPELLED)


@dataclass(frozen=True, slots=True)
class Recognised:
    """Another provider with the same identity, and the marks it was recognised by."""

    provider: Provider
    by: tuple[str, ...]

    @property
    def marks(self) -> str:
        """Name the marks in the reader's language."""
        names = {field.name: str(field.verbose_name) for field in Provider._meta.fields}
        return ", ".join(names[name] for name in self.by)

    @property
    def has_ended(self) -> bool:
        """Tell whether that provider withdrew or was expelled."""
        return self.provider.status in ENDED


def recognised(provider: Provider) -> list[Recognised]:
    """Return other providers with this credit code, legal representative or settlement account, ended ones first."""
    marks = {
        name: getattr(provider, name)
        for name in ("credit_code", "legal_person", "bank_account_digest")
        if getattr(provider, name)
    }
    same = Q()
    for name, value in marks.items():
        same |= Q(**{name: value})
    if not same:
        return []
    others = Provider.objects.filter(same).exclude(pk=provider.pk).exclude(status=Provider.Status.DRAFT).order_by("pk")
    found = [
        Recognised(other, tuple(name for name, value in marks.items() if getattr(other, name) == value))
        for other in others
    ]
    return sorted(found, key=lambda one: (not one.has_ended, one.provider.pk))


def same_company(provider: Provider) -> QuerySet[Provider]:
    """Return the provider and all others with its credit code or settlement account.

    A legal representative's name alone is no proof: two people may share it.
    """
    same = Q(pk=provider.pk)
    if provider.credit_code:
        same |= Q(credit_code=provider.credit_code)
    if provider.bank_account_digest:
        same |= Q(bank_account_digest=provider.bank_account_digest)
    return Provider.objects.filter(same)


def silent(provider: Provider) -> Provider | None:
    """Return the application whose silent period keeps this company from applying today, if any."""
    return same_company(provider).filter(silent_until__gt=business_today()).order_by("-silent_until", "pk").first()


def rejections(provider: Provider) -> int:
    """Count how often this company was turned down, over all its applications."""
    return same_company(provider).aggregate(total=Sum("rejections"))["total"] or 0


def owners(provider: Provider) -> QuerySet[User]:
    """Return the people who answer for the provider."""
    return User.objects.filter(
        is_active=True, memberships__provider=provider, memberships__role=MemberRole.OWNER
    ).order_by("pk")


def missing_for_submission(provider: Provider) -> list[str]:
    """Name, in the reader's language, what an application still lacks."""
    needed = ["name", "category", "goods_category", "legal_person", "contact_name", "contact_email", "contact_phone"]
    if provider.country == "CN":
        needed += ["credit_code", "province", "city"]
    if provider.category == ProviderCategory.BELT:
        needed.append("belt")
    missing = [
        str(field.verbose_name)
        for field in Provider._meta.fields
        if field.name in needed and not getattr(provider, field.attname)
    ]
    licence = provider.qualifications.filter(kind=Qualification.Kind.BUSINESS_LICENCE).exclude(
        status=Qualification.Status.REFUSED
    )
    if not licence.exists():
        missing.append(str(Qualification.Kind.BUSINESS_LICENCE.label))
    return missing


def binding_page(binding: Binding) -> str:
    """Return the path of a binding's page."""
    return reverse("providers:binding", args=[binding.pk])


def decision_text(conflict_id: int) -> str:
    """Name a decision as the evidence of a binding; the number finds its conflict."""
    return f"conflict {conflict_id}"
