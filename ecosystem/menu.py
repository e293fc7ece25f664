"""The staff menu, in the order of the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ecosystem.roles import may

Text = str | Promise


def _open_to(right: str) -> Callable[[HttpRequest], bool]:
    return lambda request: may(request.user, right)


def _table(title: Text, icon: str, name: str, *, right: str = "") -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}_changelist")}
    if right:
        item["permission"] = _open_to(right)
    return item


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu's groups; the links one may not open are left out."""
    groups: list[tuple[Text, list[dict[str, Any]]]] = [
        (
            _("Today"),
            [
                {"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")},
                {"title": _("Leaderboard"), "icon": "leaderboard", "link": reverse_lazy("scoring:leaderboard")},
            ],
        ),
        (
            _("Register"),
            [
                _table(_("Providers"), "store", "providers_provider"),
                _table(_("Documents"), "description", "providers_qualification"),
                _table(_("Bindings"), "link", "providers_binding"),
                _table(_("Conflicts"), "balance", "providers_conflict"),
                {"title": _("Who gets this order?"), "icon": "help", "link": reverse_lazy("providers:order")},
                _table(_("Merchants"), "shopping_bag", "providers_merchant"),
                _table(_("Streamers"), "videocam", "providers_streamer"),
                _table(_("Cases"), "gavel", "providers_violation"),
                _table(_("Belts"), "map", "providers_belt"),
                _table(_("Bases"), "warehouse", "providers_base"),
                _table(_("Members"), "group", "providers_membership"),
                _table(_("Invitations"), "mail", "providers_invitation"),
            ],
        ),
        (
            _("Ingest"),
            [
                _table(_("Batches"), "inbox", "providers_batch", right="see_batches"),
                _table(_("Operator certificates"), "badge", "providers_operatorcertificate"),
                _table(_("Operated sessions"), "live_tv", "providers_operatedsession"),
            ],
        ),
        (
            _("Roll up and score"),
            [
                _table(_("Runs"), "play_circle", "scoring_run"),
                _table(_("Scores"), "grade", "scoring_score"),
                _table(_("Rubrics"), "rule", "scoring_rubricversion"),
                _table(_("What if"), "science", "scoring_scenario"),
                _table(_("Consultations"), "groups", "scoring_consultation"),
                _table(_("Comments"), "comment", "scoring_comment"),
                _table(_("Benchmarks"), "straighten", "scoring_benchmark"),
                _table(_("Contests"), "forum", "scoring_contest"),
                _table(_("Work"), "engineering", "ecosystem_workscope", right="see_work"),
            ],
        ),
        (
            _("Tier and fund"),
            [
                _table(_("Plans"), "flag", "scoring_plan"),
                _table(_("Standings"), "format_list_numbered", "scoring_standing"),
                _table(_("Progress"), "trending_up", "scoring_progress"),
                _table(_("Budget pools"), "account_balance", "scoring_budgetpool", right="see_money"),
                _table(_("Grants"), "payments", "scoring_grant", right="see_money"),
                _table(_("Ledger"), "receipt_long", "scoring_entry", right="see_money"),
            ],
        ),
        (_("Publish"), [_table(_("Publications"), "campaign", "scoring_publication")]),
        (
            _("Portal"),
            [
                _table(_("Accounts"), "person", "ecosystem_user", right="manage_users"),
                _table(_("API tokens"), "key", "ecosystem_apitoken", right="manage_users"),
                _table(_("Audit trail"), "history", "ecosystem_auditentry", right="see_audit"),
                _table(_("Finished work"), "done_all", "ecosystem_workrun", right="see_work"),
                _table(_("Outgoing mail"), "outgoing_mail", "ecosystem_outboxmessage", right="manage_users"),
                _table(_("Notices"), "notifications", "ecosystem_notice", right="see_audit"),
            ],
        ),
    ]
    shown = (
        (title, [item for item in items if item.get("permission", lambda _: True)(request)]) for title, items in groups
    )
    return [{"title": title, "separator": True, "items": items} for title, items in shown if items]
