"""Tell providers that their grade changed, and what moved it most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from ecosystem.models import User
from ecosystem.steps.notify import notify
from providers.models import Membership
from scoring.core.explain import trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric
    from scoring.core.score import Scores

NOTHING = {"zh-hans": "无", "en": "none"}


def tell_grade_changes(grades: Mapping[int, str], earlier: tuple[Rubric, Inputs], scores: Scores) -> int:
    """Notify the members of every provider whose grade differs from ``grades``; return how many providers."""
    rows = {int(subject): row for row, subject in enumerate(scores.subjects)}
    changed = [
        provider_id
        for provider_id, grade in sorted(grades.items())
        if provider_id in rows and grade != (scores.grade_code(rows[provider_id]) or "")
    ]
    members: dict[int, list[User]] = {}
    names: dict[int, str] = {}
    for membership in Membership.objects.filter(provider__in=changed).select_related("user", "provider").order_by("pk"):
        members.setdefault(membership.provider_id, []).append(membership.user)
        names[membership.provider_id] = membership.provider.name
    for provider_id, users in members.items():
        row = rows[provider_id]
        published = scores.published(row)
        notify(
            users,
            "grade_changed",
            params={
                "provider": names[provider_id],
                "before": grades[provider_id] or None,
                "after": scores.grade_code(row),
                "score_points": None if published is None else str(published),
                "cause_text": _main_cause(str(provider_id), earlier, scores),
            },
            url=reverse("scoring:change"),
        )
    return len(members)


def _main_cause(subject: str, earlier: tuple[Rubric, Inputs], scores: Scores) -> Mapping[str, str]:
    """Name what moved the total most: a new rubric version, or the indicator whose contribution changed most."""
    rubric, inputs = earlier
    if rubric.digest != scores.rubric.digest:
        name = f"{scores.rubric.code} {scores.rubric.version}"
        return {"zh-hans": f"新评分规则 {name}", "en": f"new rubric {name}"}
    then = {line.code: line.contribution for line in trace(rubric, inputs, subject).lines if line.is_leaf}
    now = {line.code: line.contribution for line in trace(rubric, scores.inputs, subject).lines if line.is_leaf}
    moves = {code: abs(now[code] - then[code]) for code in now}
    code = max(moves, key=lambda name: (moves[name], name), default="")
    if not code or not moves[code]:
        return NOTHING
    return dict(scores.rubric.find(code).name)
