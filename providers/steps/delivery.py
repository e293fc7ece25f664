"""What arrives beside a file's bytes, and the refusals that need no look into it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from django.utils.translation import gettext as _

from ecosystem.clock import business_today
from ecosystem.errors import DomainError, InvalidInput
from ecosystem.models import User
from providers.feeds import feeds
from providers.readers.mapping import Mapping, MappingInvalid

MOST_DAYS = 3660


class BatchKeyTaken(DomainError):
    """A batch of this key is applied already, with other content."""

    code = "batch_key_taken"


class UnknownFeed(InvalidInput):
    """There is no such feed."""

    code = "unknown_feed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrives beside the bytes."""

    feed: str
    key: str
    source: str
    mapping: Mapping
    actor: User | None
    covers: tuple[date, date] | None
    file_name: str
    accept_unusual: str

    def digest(self, content: str) -> str:
        """Return the content's digest, or that of content, mapping and covered days where these say more."""
        parts = [self.mapping.digest(), *(day.isoformat() for day in self.covers or ())]
        if not any(parts):
            return content
        return hashlib.sha256("\n".join([content, *parts]).encode()).hexdigest()


def check_delivery(delivery: Delivery) -> None:
    """Refuse an unknown feed, another feed's mapping, an unusable key, impossible days."""
    feed, mapping = delivery.feed, delivery.mapping
    if feed not in feeds():
        close = get_close_matches(feed, feeds(), n=1)
        hint = " " + _("Did you mean %(name)s?") % {"name": close[0]} if close else ""
        raise UnknownFeed(_("There is no feed %(feed)s.%(hint)s") % {"feed": feed, "hint": hint})
    if mapping.feed and mapping.feed != feed:
        raise MappingInvalid(
            _("The mapping is for the feed %(theirs)s, not %(ours)s.") % {"theirs": mapping.feed, "ours": feed}
        )
    for name, text, longest in (("key", delivery.key, 120), ("source", delivery.source, 40)):
        if not text.strip() or len(text) > longest or not text.isprintable():
            raise InvalidInput(
                _("A batch needs a %(name)s of 1 to %(longest)s printable characters.")
                % {"name": name, "longest": longest}
            )
    if delivery.covers:
        first, last = delivery.covers
        if not first <= last <= business_today() or (last - first).days >= MOST_DAYS:
            raise InvalidInput(
                _("The days covered must be in order, past, and %(most)s at most: found %(first)s to %(last)s.")
                % {"most": MOST_DAYS, "first": first, "last": last}
            )
