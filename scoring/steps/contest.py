"""Contests: a provider objects to a score, a person answers."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import MAY, require
from ecosystem.steps.notify import notify
from scoring.models import Contest, Score


@transaction.atomic(durable=True)
def file_contest(score_id: int, *, text: str, actor: User, node: str = "") -> Contest:
    """Object to a score, or to one indicator or capability of it, as a member of its provider."""
    score = (
        Score.objects.visible_to(actor).select_related("provider", "run__rubric_version").filter(pk=score_id).first()
    )
    if score is None or not actor.memberships.filter(provider=score.provider_id).exists():
        raise NotAllowed(_("Only a member of the provider may contest its score."))
    if not text.strip():
        raise InvalidInput(_("Say what is wrong, and why."))
    if node and node not in {item.code for item in score.run.rubric_version.as_core().walk()}:
        raise InvalidInput(_("The score has no indicator or capability %(code)s.") % {"code": node})
    contest = Contest.objects.create(
        provider=score.provider, score=score, node=node, text=text.strip(), created_by=actor
    )
    AuditEntry.objects.record(
        Verb.SCORE, "file_contest", contest, actor=actor, detail={"score": score.pk, "node": node}
    )
    staff = User.objects.filter(role__in=MAY["answer_contest"], is_active=True).order_by("pk")
    notify(
        staff,
        "contest_filed",
        params={"provider": score.provider.name, "as_of_day": score.run.as_of.isoformat()},
        url=reverse("admin:scoring_contest_change", args=[contest.pk]),
    )
    return contest


@transaction.atomic(durable=True)
def answer_contest(contest_id: int, *, upheld: bool, answer: str, actor: User) -> Contest:
    """Answer a contest; the answer goes to whoever wrote it and to the provider's other members."""
    require(actor, "answer_contest")
    if not answer.strip():
        raise InvalidInput(_("An answer needs a text."))
    status = Contest.Status.UPHELD if upheld else Contest.Status.DISMISSED
    moved = Contest.objects.filter(pk=contest_id, status=Contest.Status.OPEN).update(
        status=status, answer=answer.strip(), answered_by=actor, answered_at=timezone.now()
    )
    contest = Contest.objects.select_related("score__run", "created_by").get(pk=contest_id)
    if not moved:
        raise WrongStatus(_("The contest was answered already: %(found)s.") % {"found": contest.get_status_display()})
    AuditEntry.objects.record(Verb.SCORE, "answer_contest", contest, actor=actor, detail={"upheld": upheld})
    members = User.objects.filter(memberships__provider=contest.provider_id, is_active=True)
    notify(
        {user.pk: user for user in (contest.created_by, *members)}.values(),
        "contest_answered",
        params={"as_of_day": contest.score.run.as_of.isoformat(), "answer": contest.answer},
        url=reverse("scoring:contests"),
    )
    return contest
