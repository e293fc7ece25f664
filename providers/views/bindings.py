"""Bindings: the list, a proposal, one binding, and the page where the other side answers."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.forms import Form
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ecosystem.csv_export import csv_response
from ecosystem.errors import DomainError
from ecosystem.models import AuditEntry, User
from ecosystem.pages import page_of
from ecosystem.roles import may
from ecosystem.sign_in import person
from providers import links
from providers.choices import BindingRole
from providers.current import member_required, working_for
from providers.errors import LinkUnusable
from providers.forms import EndForm, ProposalForm, RenewalForm, ShareForm
from providers.models import Binding, Membership, Provider
from providers.models.bindings import BindingQuerySet
from providers.steps import bind, split
from providers.steps.bind import BINDERS

HAPPENED: dict[str, str | Promise] = {
    "propose": gettext_lazy("Proposed"),
    "confirm": gettext_lazy("Confirmed by the other side"),
    "decline": gettext_lazy("Declined by the other side"),
    "withdraw_proposal": gettext_lazy("Proposal taken back"),
    "end": gettext_lazy("Ended"),
    "ask_renewal": gettext_lazy("Renewal asked for"),
    "renew": gettext_lazy("Renewed by the other side"),
    "propose_share": gettext_lazy("Share offered"),
    "accept_share": gettext_lazy("Share accepted"),
    "decline_share": gettext_lazy("Share declined"),
    "transfer": gettext_lazy("Ended by a transfer"),
}


@require_safe
@member_required
def bindings(request: HttpRequest, provider: Provider) -> HttpResponse:
    """List the provider's bindings, newest first, with search and filters."""
    found = _found(request, provider)
    page = page_of(request, found, ["-pk"])
    context = {
        "provider": provider,
        "bindings": page.rows,
        "total": found.count(),
        "roles": BindingRole.choices,
        "statuses": Binding.Status.choices,
        "can_bind": working_for(request).role in BINDERS,
        "filtered": any(request.GET.get(name) for name in ("q", "role", "status")),
        **page.links(request),
    }
    return render(request, "providers/bindings.html", context)


@require_safe
@member_required
def bindings_csv(request: HttpRequest, provider: Provider) -> StreamingHttpResponse:
    """Export the bindings the search found."""
    header = [
        _("merchant"),
        _("streamer"),
        _("name"),
        _("role"),
        _("first day"),
        _("last day"),
        _("status"),
        _("contract term ends on"),
        _("renewed on"),
        _("confirmed by"),
        _("evidence of consent"),
    ]
    rows = (
        (
            one.merchant.code if one.merchant else None,
            one.streamer.code if one.streamer else None,
            one.merchant or one.streamer,
            one.get_role_display(),
            one.period.lower,
            one.period.upper - timedelta(days=1) if one.period.upper else None,
            one.get_status_display(),
            one.term_ends_on,
            one.renewed_on,
            one.confirmed_by,
            one.evidence,
        )
        for one in _found(request, provider).order_by("-pk").iterator(chunk_size=500)
    )
    return csv_response("bindings", header, rows)


@require_http_methods(["GET", "POST"])
@member_required
def binding_new(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Propose a binding."""
    if working_for(request).role not in BINDERS:
        raise PermissionDenied(_("Owners and operators keep the bindings."))
    form = ProposalForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and form.subject is not None:
        values = form.cleaned_data
        try:
            made = bind.propose(
                provider.pk,
                subject=form.subject,
                role=BindingRole(values["role"]),
                starts_on=values["starts_on"],
                term_ends_on=values["term_ends_on"],
                related_party=values["related_party"],
                takes_over=values["takes_over"],
                actor=person(request),
            )
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("A signed link is on its way to %(who)s.") % {"who": form.subject})
            return redirect("providers:binding", binding_id=made.pk)
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "providers/binding_new.html", {"form": form, "provider": provider}, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def binding(request: HttpRequest, binding_id: int) -> HttpResponse:
    """Show one binding with its shares and history; what may be done to it is a button each."""
    visible = Binding.objects.concerning(request.user).select_related(
        "provider", "merchant", "streamer", "batch", "lead__provider"
    )
    found = get_object_or_404(visible, pk=binding_id)
    actor = person(request)
    forms = {"end": EndForm(prefix="end"), "renewal": RenewalForm(prefix="renewal"), "share": ShareForm(prefix="share")}
    status = 200
    if request.method == "POST":
        try:
            done = _act(request, found, forms, actor)
            if done is not None:
                messages.success(request, done)
                return redirect("providers:binding", binding_id=found.pk)
            status = 422
        except DomainError as refusal:
            asked = next((name for name in forms if name in request.POST), None)
            if refusal.status == 403 or asked is None:
                raise
            forms[asked].add_error(None, str(refusal))
            status = refusal.status
    mine = Membership.objects.filter(user=actor, role__in=BINDERS)
    of_lead = found.lead is not None and mine.filter(provider=found.lead.provider_id).exists()
    is_ours = mine.filter(provider=found.provider_id).exists()
    may_bind = may(actor, "bind") or of_lead or is_ours
    confirmed, proposed = found.status == Binding.Status.CONFIRMED, found.status == Binding.Status.PROPOSED
    context = {
        "binding": found,
        "provider": found.provider,
        "ending": forms["end"],
        "renewal": forms["renewal"],
        "splitting": forms["share"],
        "shares": found.shares.select_related("provider").order_by("-pk"),
        "transfers": found.transfers.filter(status=Binding.Status.PROPOSED) if confirmed else [],
        "history": [
            (entry, HAPPENED.get(entry.action, entry.action))
            for entry in AuditEntry.objects.about(found).select_related("actor").newest_first()
        ],
        "can_end": may_bind and confirmed,
        "can_split": may_bind and confirmed and found.lead is None,
        "can_accept": is_ours and proposed and found.lead is not None,
        "can_take_back": proposed and (may_bind if found.lead is None else of_lead or may(actor, "bind")),
    }
    return render(request, "providers/binding.html", context, status=status)


def _act(request: HttpRequest, found: Binding, forms: dict[str, Form], actor: User) -> str | None:
    """Do what the button says and return what to say of it; None where its form is not filled in rightly."""
    for name, kind in (("end", EndForm), ("renewal", RenewalForm), ("share", ShareForm)):
        if name in request.POST:
            forms[name] = form = kind(request.POST, prefix=name)
            if not form.is_valid():
                return None
    if "end" in request.POST:
        bind.end(found.pk, ends_before=forms["end"].cleaned_data["ends_before"], actor=actor)
        return _("The binding ends.")
    if "renewal" in request.POST:
        bind.ask_renewal(found.pk, term_ends_on=forms["renewal"].cleaned_data["term_ends_on"], actor=actor)
        return _("A signed link is on its way to the other side.")
    if "share" in request.POST and isinstance(forms["share"], ShareForm):
        split.propose_share(found.pk, actor=actor, **forms["share"].values())
        return _("The share is offered; it counts once it is accepted.")
    if "accept" in request.POST:
        split.accept_share(found.pk, actor=actor)
        return _("The share is yours from its first day on.")
    if "decline" in request.POST:
        split.decline_share(found.pk, actor=actor)
        return _("The share is declined.")
    if "withdraw" in request.POST:
        bind.withdraw_proposal(found.pk, actor=actor)
        return _("The proposal is taken back.")
    return None


@never_cache
@require_http_methods(["GET", "POST"])
def binding_confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Ask the merchant or streamer behind a signed link, without an account, and take the answer."""
    try:
        question = links.read(token)
        found = (
            Binding.objects.select_related("provider", "merchant", "streamer").filter(pk=question.binding_id).first()
        )
        if found is None:
            raise LinkUnusable(_("This binding no longer exists."))
        renewing = question.renew_until is not None
        answered = found.status != Binding.Status.PROPOSED and not renewing
        answered |= renewing and found.renewed_on is not None and found.term_ends_on == question.renew_until
        if request.method == "POST" and "confirm" in request.POST:
            found = bind.renew(token) if renewing else bind.confirm(token)
            answered = True
        elif request.method == "POST" and "decline" in request.POST and not renewing:
            found, answered = bind.decline(token), True
    except DomainError as refusal:
        return render(request, "providers/link_unusable.html", {"refusal": refusal}, status=refusal.status)
    context = {
        "binding": found,
        "subject": found.merchant or found.streamer,
        "renew_until": question.renew_until,
        "answered": answered,
        "just_now": answered and request.method == "POST",
    }
    return render(request, "providers/binding_confirm.html", context)


def _found(request: HttpRequest, provider: Provider) -> BindingQuerySet:
    found = Binding.objects.visible_to(request.user).filter(provider=provider).select_related("merchant", "streamer")
    text = request.GET.get("q", "").strip()
    if text:
        found = found.filter(
            Q(merchant__name__icontains=text)
            | Q(merchant__code__icontains=text)
            | Q(streamer__name__icontains=text)
            | Q(streamer__code__icontains=text)
        )
    for name, known in (("role", BindingRole.values), ("status", Binding.Status.values)):
        if request.GET.get(name) in known:
            found = found.filter(**{name: request.GET[name]})
    return found
