"""Applications in every state, taken through the steps of the register by applicants and reviewers."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from django.core.files.uploadedfile import SimpleUploadedFile

from ecosystem.models import User
from ecosystem.roles import Role
from ecosystem.steps.accounts import open_account
from providers.choices import ProviderCategory
from providers.models import Belt as BeltRow
from providers.models import Qualification
from providers.steps import qualifications, register
from scoring.demo import names
from scoring.demo.clock import at
from scoring.demo.population import belts, generator
from scoring.demo.sizes import AS_OF

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from scoring.demo.population import Belt
    from scoring.demo.sizes import Size

# How far an application is taken.
DRAFT, SUBMITTED, IN_REVIEW, RETURNED, REJECTED, SILENT = [
    "draft",
    "submitted",
    "in_review",
    "returned",
    "rejected",
    "silent",
]
_KINDS = (("LOCAL_MERCHANT", 0.55), ("BRAND", 0.2), ("MCN", 0.13), ("BELT", 0.05), ("SUPPLY", 0.04), ("TRAINING", 0.03))
_REASONS = (
    "团队规模证明不足十人，请补充社保记录（演示）。",
    "营业执照副本不清晰，请重新上传（演示）。",
    "办公场地租赁合同已到期，请更新（演示）。",
    "直播电商案例无法核实，请补充（演示）。",
)
_REFUSALS = (
    "公司成立未满六个月（演示）。",
    "未通过资质核验：商家资源与申报不符（演示）。",
    "名称与平台官方名称易混淆（演示）。",
)


def paper(text: str) -> SimpleUploadedFile:
    """Return a one-page PDF that says it is a demo document."""
    stream = zlib.compress(f"BT /F1 18 Tf 72 720 Td (DEMO DOCUMENT {text}) Tj ET".encode("ascii"))
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream + b"\nendstream",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += b"%d 0 obj\n" % number + part + b"\nendobj\n"
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    return SimpleUploadedFile(f"{text}.pdf", body + table + end, content_type="application/pdf")


@dataclass(frozen=True, slots=True)
class Applicant:
    """One application: who, how far, and when it was handed in."""

    number: int
    goal: str
    handed_in: date


def applicants(size: Size) -> list[Applicant]:
    """Return the funnel of a size: those in work are weeks old at most, refusals go back months."""
    rng = generator(13, len(size.name))
    goals = (
        [DRAFT] * size.drafts
        + [SUBMITTED] * size.submitted
        + [IN_REVIEW] * size.in_review
        + [RETURNED] * size.returned
        + [REJECTED] * (size.rejected - size.silent)
        + [SILENT] * size.silent
    )
    spans = {
        DRAFT: (1, 40),
        SUBMITTED: (0, 6),
        IN_REVIEW: (2, 14),
        RETURNED: (5, 30),
        REJECTED: (20, 300),
        SILENT: (25, 80),
    }
    return [
        Applicant(number, goal, AS_OF - timedelta(days=int(rng.integers(*spans[goal]))))
        for number, goal in enumerate(goals)
    ]


def apply_all(size: Size, reviewer: User, first_number: int, report: Callable[[str, int, int], None]) -> None:
    """Take every application through its steps, oldest first."""
    found = sorted(applicants(size), key=lambda one: (one.handed_in, one.number))
    for done, one in enumerate(found):
        report("applications", done, len(found))
        _apply(one, reviewer, first_number + one.number, generator(14, len(size.name), one.number))


def _apply(one: Applicant, reviewer: User, index: int, rng: np.random.Generator) -> None:
    begun = one.handed_in - timedelta(days=3)
    if one.goal == SILENT:
        begun -= timedelta(days=30)
    kind = str(rng.choice([kind for kind, _ in _KINDS], p=[share for _, share in _KINDS]))
    with at(begun, 9, index % 60):
        owner = open_account(
            f"applicant{index:04d}@example.com",
            role=Role.PROVIDER,
            actor=None,
            name=names.person(index),
        )
        provider = register.draft(name=names.company(index), category=ProviderCategory(kind), actor=owner)
        register.save_application(provider.pk, values=_values(index, kind, rng), actor=owner)
        if one.goal == DRAFT and rng.random() < 0.5:
            return
        _hand_in_papers(provider.pk, owner, begun, index)
    if one.goal == SILENT:
        _refused_once(provider.pk, owner, reviewer, begun + timedelta(days=2), index)
    if one.goal == DRAFT:
        return
    with at(one.handed_in, 10, index % 60):
        register.submit(provider.pk, actor=owner)
    if one.goal == SUBMITTED:
        return
    with at(min(one.handed_in + timedelta(days=1), AS_OF), 11, index % 60):
        register.take_up(provider.pk, actor=reviewer)
    decided = min(one.handed_in + timedelta(days=int(rng.integers(2, 6))), AS_OF)
    with at(decided, 15, index % 60):
        _decide(one.goal, provider.pk, reviewer, index)


def _decide(goal: str, provider_id: int, reviewer: User, index: int) -> None:
    papers = Qualification.objects.filter(provider=provider_id, status=Qualification.Status.PENDING).order_by("pk")
    # Of those in review every second one has its first document decided already.
    for document in papers[: 1 if goal == IN_REVIEW and index % 2 else 0]:
        qualifications.decide_qualification(document.pk, accepted=True, actor=reviewer)
    if goal == RETURNED:
        register.return_for_completion(provider_id, reason=_REASONS[index % len(_REASONS)], actor=reviewer)
    elif goal in {REJECTED, SILENT}:
        register.reject(provider_id, reason=_REFUSALS[index % len(_REFUSALS)], actor=reviewer)


def _refused_once(provider_id: int, owner: User, reviewer: User, day: date, index: int) -> None:
    with at(day, 10, index % 60):
        register.submit(provider_id, actor=owner)
        register.take_up(provider_id, actor=reviewer)
    with at(day + timedelta(days=3), 16, index % 60):
        register.reject(provider_id, reason=_REFUSALS[index % len(_REFUSALS)], actor=reviewer)


def _values(index: int, kind: str, rng: np.random.Generator) -> dict[str, object]:
    all_belts = belts()
    weights = [belt.weight for belt in all_belts]
    belt: Belt = all_belts[int(rng.choice(len(all_belts), p=[weight / sum(weights) for weight in weights]))]

    return {
        "goods_category": belt.category,
        "credit_code": names.credit_code(index + 1),
        "province": str(belt.province),
        "city": belt.city,
        "belt": BeltRow.objects.get(code=belt.code) if kind == "BELT" else None,
        "introduction": f"专注{belt.goods}类目的直播电商服务，团队{int(rng.integers(10, 60))}人（演示）。",
        "contact_name": names.person(index + 3),
        "contact_email": f"contact{index:04d}@example.com",
        "contact_phone": names.phone(index),
        "legal_person": names.person(index + 11),
        "bank_account_digest": names.bank_account_digest(index + 1),
        "distribution_declared": bool(index % 2),
    }


def _hand_in_papers(provider_id: int, owner: User, day: date, index: int) -> None:
    for number, kind in enumerate(
        (Qualification.Kind.BUSINESS_LICENCE, Qualification.Kind.TEAM, Qualification.Kind.OFFICE)[: 2 + index % 2]
    ):
        qualifications.add_qualification(
            provider_id,
            kind=kind,
            valid_from=day - timedelta(days=200 + 30 * number),
            valid_until=None if number == 1 else day + timedelta(days=800 - 60 * number),
            number=f"DEMO-{index:04d}-{number + 1}",
            issuer="演示登记机关",
            file=paper(f"{index:04d}-{number + 1}"),
            actor=owner,
        )
