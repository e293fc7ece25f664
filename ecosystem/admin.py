"""Accounts, tokens, audit, work and outgoing mail for staff."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from ecosystem import ledger
from ecosystem.admin_base import NothingToAsk, StaffAdmin, Step, StepForm
from ecosystem.backlog import backlog, explain, last_slots
from ecosystem.models import ApiToken, AuditEntry, Notice, OutboxMessage, User, WorkRun, WorkScope
from ecosystem.roles import Role
from ecosystem.steps.accounts import change_account, issue_token, open_account, revoke_token
from ecosystem.steps.work import retry_work


class AccountForm(StepForm):
    """A new account; its owner sets the password by the reset mail."""

    email = forms.EmailField(label=_("email"))
    name = forms.CharField(label=_("name"), max_length=80, required=False)
    role = forms.TypedChoiceField(
        label=_("role"), choices=[choice for choice in Role.choices if choice[0] != Role.PROVIDER], coerce=Role
    )


class ChangeForm(StepForm):
    """Another role, or the end of the account."""

    role = forms.TypedChoiceField(label=_("role"), choices=Role.choices, coerce=Role)
    is_active = forms.BooleanField(label=_("active"), required=False, initial=True)


class TokenForm(StepForm):
    """A credential for a machine account."""

    label = forms.CharField(
        label=_("label"), max_length=80, help_text=_("What it is for, such as “warehouse, nightly”.")
    )
    days = forms.IntegerField(label=_("valid for days"), min_value=1, max_value=366, initial=90)


@admin.register(User)
class UserAdmin(StaffAdmin):
    """Accounts."""

    sight = "manage_users"
    list_display = ("email", "name", "role", "language", "is_active", "last_login", "created_at")
    list_filter = ("role", "is_active")
    search_fields = ("email", "name")
    ordering = ("email",)
    exclude = ("password",)
    list_steps: ClassVar = (Step("open", _("Open an account"), "manage_users", open_account, AccountForm),)
    row_steps: ClassVar = (
        Step("change", _("Change role or close"), "manage_users", change_account, ChangeForm),
        Step(
            "token",
            _("Issue an API token"),
            "manage_users",
            issue_token,
            TokenForm,
            when=lambda user: user.role == Role.MACHINE,
            explains=_("The token is shown once, on the next page."),
        ),
    )


@admin.register(ApiToken)
class ApiTokenAdmin(StaffAdmin):
    """Credentials of machine accounts."""

    sight = "manage_users"
    list_display = ("label", "user", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("label", "user__email")
    exclude = ("digest",)
    ordering = ("-created_at",)
    row_steps: ClassVar = (Step("revoke", _("Revoke"), "manage_users", revoke_token, NothingToAsk, grave=True),)


@admin.register(AuditEntry)
class AuditEntryAdmin(StaffAdmin):
    """Every step taken, by whom, on what."""

    sight = "see_audit"
    list_display = ("at", "verb", "step", "subject_text", "actor", "cause")
    list_select_related = ("actor",)
    list_filter = ("verb", ("at", admin.DateFieldListFilter))
    search_fields = ("action", "subject_text", "actor__email", "cause")
    ordering = ("-at", "-id")

    @admin.display(description=_("step"), ordering="action")
    def step(self, row: AuditEntry) -> str:
        """Return the step in words."""
        return row.action_text


@admin.register(WorkScope)
class WorkScopeAdmin(StaffAdmin):
    """The ledger's scopes: what is in order, what will be tried again, what is parked and why."""

    sight = "see_work"
    list_display = ("work", "named", "state", "attempts", "not_before", "changed_at")
    list_filter = ("kind", "state")
    search_fields = ("scope", "last_error")
    ordering = ("-changed_at",)
    row_steps: ClassVar = (
        Step(
            "retry",
            _("Try again now"),
            "retry_work",
            retry_work,
            when=lambda scope: scope.state != WorkScope.State.OK,
            explains=_("The scope is taken out of the car park and claimed by the next worker."),
        ),
    )

    @admin.display(description=_("kind"), ordering="kind")
    def work(self, row: WorkScope) -> str:
        """Name the kind of work in the reader's language."""
        return ledger.label(row.kind)

    @admin.display(description=_("what it is about"), ordering="scope")
    def named(self, row: WorkScope) -> str:
        """Say what the scope is about; in the file, by its number as the ledger has it."""
        return getattr(row, "about", row.scope)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Learn what the scopes of a page are about in one go."""
        page: ChangeList = super().get_changelist_instance(request)
        words = ledger.about(page.result_list)
        for row in page.result_list:
            row.about = words[row.pk]
        return page

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show backlog, pace, parked scopes and the last slots above the scopes."""
        parked = list(ledger.parked()[:20])
        words = ledger.about(parked)
        named = [(scope, ledger.label(scope.kind), words[scope.pk]) for scope in parked]
        above = {"backlog": backlog(), "parked_scopes": named, "slots": last_slots()}
        return super().changelist_view(request, {"portal_above": "admin/work.html", **above})

    def beside(self, request: HttpRequest, row: WorkScope) -> dict[str, Any]:
        """Say in words what the scope is about and what waits for it."""
        return {"portal_beside": "admin/work_scope.html", "scope": row, "explanation": explain(row)}


@admin.register(WorkRun)
class WorkRunAdmin(StaffAdmin):
    """Finished steps of the ledger."""

    sight = "see_work"
    list_display = ("ended_at", "work", "scopes", "marks", "rows_changed", "started_at")
    list_display_links = ("ended_at",)
    list_filter = ("kind",)
    ordering = ("-ended_at", "-id")

    @admin.display(description=_("kind"), ordering="kind")
    def work(self, row: WorkRun) -> str:
        """Name the kind of work in the reader's language."""
        return ledger.label(row.kind)


@admin.register(OutboxMessage)
class OutboxMessageAdmin(StaffAdmin):
    """Mail on its way out."""

    sight = "manage_users"
    list_display = ("created_at", "recipient", "subject", "attempts", "sent_at", "last_error")
    search_fields = ("recipient", "subject", "key")
    ordering = ("-created_at", "-id")
    # The text may hold one-time links: whoever may read it could use them.
    exclude = ("body",)


@admin.register(Notice)
class NoticeAdmin(StaffAdmin):
    """Notices sent to people."""

    sight = "see_audit"
    list_display = ("created_at", "user", "kind", "read_at")
    list_select_related = ("user",)
    list_filter = ("kind",)
    search_fields = ("user__email",)
    ordering = ("-created_at", "-id")


admin.site.index_title = _("Staff workplace")
# The libraries bring tables of their own. They hold addresses and the secrets of second factors: for no list.
for library in ("django.contrib.auth.admin", "allauth.account.admin", "allauth.mfa.admin"):
    import_module(library)
for table in (Group, EmailAddress, Authenticator):
    admin.site.unregister(table)
