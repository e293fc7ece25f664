"""The staff's tool: read-only tables whose buttons call the same steps as every other face.

An admin names its steps as data; each becomes a button on the row's page, a form with what the step asks, and one call
with ``actor=request.user``. Refusals are shown where the person is; nothing is ever saved by a model form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from ecosystem.csv_export import csv_response
from ecosystem.errors import DomainError
from ecosystem.roles import may

Text = str | Promise

WIDGETS: tuple[tuple[type[forms.Field], Callable[[], forms.Widget]], ...] = (
    (forms.BooleanField, UnfoldBooleanSwitchWidget),
    (forms.DateField, UnfoldAdminDateWidget),
    (forms.FileField, UnfoldAdminFileFieldWidget),
)


# Django's own pages for what only steps do, and for a history that the audit trail tells.
NO_PAGES = ("_add", "_delete", "_history")


class StepForm(forms.Form):
    """What a step asks of the person, dressed like the rest of the admin."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget = self._dressed(field)
            field.widget.is_required = field.required

    @staticmethod
    def _dressed(field: forms.Field) -> Any:
        """Return the admin's widget for a field."""
        if isinstance(field, forms.ChoiceField):
            return UnfoldAdminSelectWidget(choices=field.choices)
        if isinstance(field.widget, forms.Textarea):
            return UnfoldAdminTextareaWidget(attrs={"rows": 5})
        for kind, widget in WIDGETS:
            if isinstance(field, kind):
                return widget()
        return UnfoldAdminTextInputWidget(
            attrs={"inputmode": "numeric"} if isinstance(field, forms.IntegerField) else None
        )


class NothingToAsk(StepForm):
    """A step that needs only a yes."""


class ReasonForm(StepForm):
    """A step that needs its reason; the other side reads it."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        widget=forms.Textarea,
        max_length=400,
        help_text=gettext_lazy("The other side reads this word for word."),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A button: ``call(object_id, actor=…, **form values)`` for roles that may take ``right``, where ``when`` holds."""

    name: str
    label: Text
    right: str
    call: Callable[..., object]
    form: type[StepForm] = NothingToAsk
    when: Callable[[Any], bool] = lambda row: True
    explains: Text = ""
    grave: bool = False


class StaffAdmin(ModelAdmin):  # type: ignore[misc]
    """A table staff may look at; ``row_steps`` act on one row, ``list_steps`` on none (they make or import)."""

    row_steps: ClassVar[Sequence[Step]] = ()
    list_steps: ClassVar[Sequence[Step]] = ()
    # Who may look at the table at all; None: every staff role.
    sight: ClassVar[str | None] = None

    actions = None
    actions_list: ClassVar[Sequence[str]] = ("export_csv",)
    list_before_template = "admin/list_steps.html"
    change_form_before_template = "admin/row_steps.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = False
    compressed_fields = True
    list_filter_submit = True

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Open the table to staff, or to the roles with the right it asks for."""
        user = request.user
        return user.is_active and user.is_staff and (self.sight is None or may(user, self.sight))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the table in the menu to whom it is open."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, *args: object) -> bool:
        """Refuse: rows come into being by steps."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse: rows change by steps."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Refuse: nothing is deleted."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """Scope by visibility where the table has tenants."""
        rows: Any = super().get_queryset(request)
        return rows.visible_to(request.user) if hasattr(rows, "visible_to") else rows

    def get_urls(self) -> list[URLPattern]:
        """Add the steps' pages."""
        kind = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path("step/<slug:name>/", self.admin_site.admin_view(self.list_step_view), name=f"{kind}_list_step"),
            path(
                "<int:object_id>/step/<slug:name>/", self.admin_site.admin_view(self.row_step_view), name=f"{kind}_step"
            ),
        ]
        given: list[URLPattern] = super().get_urls()
        return [*own, *(page for page in given if not str(page.name).endswith(NO_PAGES))]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Offer the list's steps above it; there is nothing to send to a list."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        steps = [
            {"label": step.label, "url": self._list_url(step)}
            for step in self.list_steps
            if may(request.user, step.right)
        ]
        return super().changelist_view(request, {"portal_steps": steps, **(extra_context or {})})  # type: ignore[no-any-return]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Offer the row's steps above it."""
        row = self.get_object(request, object_id) if object_id else None
        context: dict[str, Any] = {"portal_steps": [], **(extra_context or {})}
        if row is not None:
            context["portal_steps"] = [
                {"label": step.label, "url": self._row_url(step, row), "grave": step.grave}
                for step in self.row_steps
                if may(request.user, step.right) and step.when(row)
            ]
            context |= self.beside(request, row)
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[no-any-return]

    def beside(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the page shows beside the row; subclasses say more."""
        return {}

    def row_step_view(self, request: HttpRequest, object_id: int, name: str) -> HttpResponseBase:
        """Ask and take one step on one row."""
        step = self._step(request, self.row_steps, name)
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        back = self.back_from(row)
        return self._take(
            request,
            step,
            lambda values: step.call(row.pk, actor=request.user, **values),
            str(row),
            back,
            lambda: self.onward_from(request, row, step) or back,
        )

    def back_from(self, row: Any) -> str:
        """Return the page a step on a row is taken from: the row's own, or whatever it is a part of."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def onward_from(self, request: HttpRequest, row: Any, step: Step) -> str:
        """Return the page of the next row to work on once a step is taken; empty: back to this one."""
        return ""

    def list_step_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Ask and take one step that needs no row."""
        step = self._step(request, self.list_steps, name)
        back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        title = capfirst(str(self.opts.verbose_name_plural))
        return self._take(
            request, step, lambda values: step.call(actor=request.user, **values), title, back, lambda: back
        )

    def _step(self, request: HttpRequest, steps: Sequence[Step], name: str) -> Step:
        for step in steps:
            if step.name == name:
                if not may(request.user, step.right) or not self.has_view_permission(request):
                    raise PermissionDenied
                return step
        raise Http404

    def _take(
        self,
        request: HttpRequest,
        step: Step,
        call: Callable[[dict[str, Any]], object],
        subject: str,
        back: str,
        onward: Callable[[], str],
    ) -> HttpResponseBase:
        form = step.form(request.POST, request.FILES) if request.method == "POST" else step.form()
        if request.method == "POST" and form.is_valid():
            try:
                said = call(form.cleaned_data)
            except DomainError as refusal:
                form.add_error(None, str(refusal))
            else:
                # A step that answers with a text (a new token, say) shows it once, here.
                text = said if isinstance(said, str) else _("Done: %(step)s.") % {"step": step.label}
                address = onward()
                messages.success(request, text if address == back else f"{subject} · {text}")
                return redirect(address)
        context = {
            **self.admin_site.each_context(request),
            "title": step.label,
            "opts": self.opts,
            "step": step,
            "subject": subject,
            "form": form,
            "back": back,
        }
        return render(request, "admin/step.html", context, status=422 if form.errors else 200)

    def _row_url(self, step: Step, row: models.Model) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_step", args=[row.pk, step.name])

    def _list_url(self, step: Step) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_list_step", args=[step.name])

    @action(description=gettext_lazy("Export as CSV"), url_path="export.csv", icon="download")  # type: ignore[untyped-decorator]
    def export_csv(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the table as it is searched and filtered (the address carries the list's query)."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        columns = [name for name in self.get_list_display(request) if name != "action_checkbox"]
        names = [field for field in columns if isinstance(field, str)]
        found = self.get_changelist_instance(request).get_queryset(request)
        rows = ([self._cell(row, name) for name in names] for row in found.iterator(chunk_size=2000))
        return csv_response(str(self.opts.model_name), [self._head(name) for name in names], rows)

    def _cell(self, row: models.Model, name: str) -> object:
        shown = getattr(self, name, None)
        if callable(shown):
            value = shown(row)
            return value[1] if isinstance(value, tuple) else value
        display = getattr(row, f"get_{name}_display", None)
        return display() if display else getattr(row, name)

    def _head(self, name: str) -> str:
        shown = getattr(self, name, None)
        if shown is not None:
            return str(getattr(shown, "short_description", name))
        return str(self.opts.get_field(name).verbose_name) if name != "__str__" else str(self.opts.verbose_name)
