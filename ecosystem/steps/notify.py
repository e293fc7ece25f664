"""Tell people: notices on their pages, and mail through the outbox."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from ecosystem import notices
from ecosystem.models import Notice, OutboxMessage, User


@transaction.atomic
def notify(
    users: Iterable[User], kind: str, *, params: Mapping[str, object] | None = None, url: str = "", key: str = ""
) -> list[Notice]:
    """Leave each user a notice, and a mail where its kind says so; ``key`` makes the mail's id (once per user).

    ``params`` fill the kind's wording (ecosystem/notices.py) and must be JSON; ``url`` is a path of the portal.
    """
    values = dict(params or {})
    wording = notices.check(kind, values)
    rows = [Notice(user=user, kind=kind, params=values, url=url) for user in users if user.is_active]
    Notice.objects.bulk_create(rows)
    if wording.by_mail:
        stem = key or f"{kind}:{uuid.uuid4()}"
        for row in rows:
            post_email(f"notice:{stem}:{row.user_id}", to=row.user, template="notice", context={"notice": row})
    return rows


@transaction.atomic
def post_email(
    key: str, *, to: User | str, template: str, context: Mapping[str, object] | None = None, address: str = ""
) -> OutboxMessage | None:
    """Put a mail into the outbox in the recipient's language; None when one with this key is there already.

    The first line of ``templates/emails/<template>.txt`` is the subject. Machines get no mail.
    """
    recipient = address or (to if isinstance(to, str) else to.email)
    language = translation.get_language() if isinstance(to, str) else to.language
    with translation.override(language):
        text = render_to_string(
            f"emails/{template}.txt",
            {**(context or {}), "recipient": to if isinstance(to, User) else None, "portal_url": settings.PORTAL_URL},
        )
    subject, _, body = text.strip().partition("\n")
    message, created = OutboxMessage.objects.get_or_create(
        key=key[:120],
        defaults={"recipient": recipient, "subject": subject.strip()[:200], "body": body.strip() + "\n"},
    )
    return message if created else None


@transaction.atomic
def mark_read(user_id: int, *, notice_id: int | None = None) -> int:
    """Mark one or all of a user's notices as read; return how many were not."""
    unread = Notice.objects.filter(user_id=user_id, read_at=None)
    if notice_id is not None:
        unread = unread.filter(pk=notice_id)
    return unread.update(read_at=timezone.now())
