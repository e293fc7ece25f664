"""Signed links with which a merchant or streamer answers without an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils.translation import gettext as _

from providers.errors import LinkUnusable

SALT = "providers.links.binding"
LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Question:
    """What the other side is asked: to confirm a binding, or to renew it until a day."""

    binding_id: int
    asked: str  # the address the link was mailed to
    renew_until: date | None = None


def link(question: Question) -> str:
    """Return the address to mail."""
    until = question.renew_until.isoformat() if question.renew_until else ""
    token = signing.dumps([question.binding_id, question.asked, until], salt=SALT)
    return settings.PORTAL_URL + reverse("providers:binding-confirm", args=[token])


def read(token: str) -> Question:
    """Return what a link asks; LinkUnusable when it was altered or is older than 30 days."""
    try:
        binding_id, asked, until = signing.loads(token, salt=SALT, max_age=LIFE)
    except signing.SignatureExpired as error:
        raise LinkUnusable(
            _("This link is older than %(days)s days. Ask the provider to send a new one.") % {"days": LIFE.days}
        ) from error
    except signing.BadSignature as error:
        raise LinkUnusable(_("This link is not complete. Open it again from the mail, or copy all of it.")) from error
    return Question(binding_id, asked, date.fromisoformat(until) if until else None)
