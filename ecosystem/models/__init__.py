"""Tables of the ground: people, audit, work, mail on its way out."""

from ecosystem.models.accounts import ApiToken, User
from ecosystem.models.audit import AuditEntry
from ecosystem.models.notices import Notice
from ecosystem.models.outbox import OutboxMessage
from ecosystem.models.work import ScheduleSlot, WorkMark, WorkRun, WorkScope

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Notice",
    "OutboxMessage",
    "ScheduleSlot",
    "User",
    "WorkMark",
    "WorkRun",
    "WorkScope",
]
