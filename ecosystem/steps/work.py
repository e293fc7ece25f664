"""Steps a person takes on the work ledger."""

from __future__ import annotations

from django.db import transaction

from ecosystem import ledger
from ecosystem.models import AuditEntry, User, WorkScope
from ecosystem.models.audit import Verb
from ecosystem.roles import require


@transaction.atomic(durable=True)
def retry_work(scope_id: int, *, actor: User) -> None:
    """Let a scope that failed run again at once, with all its attempts."""
    require(actor, "retry_work")
    scope = WorkScope.objects.get(pk=scope_id)
    ledger.retry(scope_id)
    AuditEntry.objects.record(
        Verb.ROLL_UP if scope.kind == "roll_up" else Verb.SCORE,
        "retry_work",
        scope,
        actor=actor,
        cause=scope.last_error[:400],
    )
