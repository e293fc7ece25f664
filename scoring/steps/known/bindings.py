"""Bindings as they were known, and who stays bound in a world without what was bound since."""

from __future__ import annotations

from datetime import datetime

from scoring.steps.known.aside import Moment, Relations
from scoring.steps.known.registers import known_rows
from scoring.steps.rolling.registered import LEFT_RUNNING_DAYS

COLUMNS = (
    "provider_id",
    "merchant_id",
    "streamer_id",
    "role",
    "period",
    "status",
    "term_ends_on",
    "renewed_on",
    "related_party",
    "lead_id",
    "share_bp",
)
_KNOWN = (
    "stood.status = 'confirmed' AND stood.confirmed_at <= %(cut_off)s AND lower(stood.period) < %(until)s"
    " AND (standing.merchant_id = ANY(%(merchants)s) OR standing.streamer_id = ANY(%(rooms)s))"
)
# Who was bound on the last day before: until the day on which it really ended, if that is later. That a term was
# renewed, or ran out, is news of that day.
_THEN = """
SELECT old.id, old.provider_id, old.merchant_id, old.streamer_id, old.role,
    CASE WHEN upper(old.period) <= %(until)s THEN old.period ELSE daterange(lower(old.period),
        CASE WHEN new.id IS NULL THEN %(until)s WHEN upper(new.period) IS NULL THEN NULL
        ELSE greatest(%(until)s, upper(new.period)) END)
    END AS period,
    old.status, CASE WHEN term.stays THEN old.term_ends_on ELSE new.term_ends_on END AS term_ends_on,
    CASE WHEN term.stays THEN old.renewed_on ELSE new.renewed_on END AS renewed_on,
    old.related_party, old.lead_id, old.share_bp
FROM bindings_known old LEFT JOIN bindings_now new USING (id), LATERAL (SELECT new.id IS NULL
    OR coalesce(old.renewed_on, old.term_ends_on + %(running)s) < %(until)s
    OR coalesce(new.renewed_on, new.term_ends_on + %(running)s) < %(until)s AS stays) AS term
WHERE lower(old.period) < %(until)s
"""


def lay_aside(relations: Relations) -> tuple[bool, bool]:
    """Lay bindings aside; tell whether the two scores stand on different ones, and the later one and today's tables."""
    _keep(relations, "bindings_now", relations.after)
    _keep(relations, "bindings_known", relations.before)
    relations.keep("bindings_then", _THEN, relations.before, running=LEFT_RUNNING_DAYS)
    _keep(relations, "bindings_today", relations.after, "infinity")
    return relations.differ("bindings_now", "bindings_then"), relations.differ("bindings_now", "bindings_today")


def _keep(relations: Relations, name: str, moment: Moment, cut_off: datetime | str | None = None) -> None:
    cut_off = cut_off or moment.cut_off
    query = known_rows(relations.schema, "providers_binding", COLUMNS, _KNOWN, cut_off)
    relations.keep(name, query, moment, cut_off=cut_off)
