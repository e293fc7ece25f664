"""What people fill in about providers, people, documents and bindings."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from ecosystem.clock import business_today
from providers import credit_code, documents
from providers.choices import BindingRole
from providers.errors import FileRefused
from providers.models import Merchant, Provider, Qualification, Streamer
from providers.models.members import MemberRole

_SHORTEST_ACCOUNT = 8


class DayInput(forms.DateInput):
    """The browser's own calendar, in ISO form whatever the language."""

    input_type = "date"

    def __init__(self) -> None:
        """Fix the format that the browser expects."""
        super().__init__(format="%Y-%m-%d")


def _day(label: Any, **options: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=DayInput(), input_formats=["%Y-%m-%d"], **options)


def _statement() -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Why the days are yours"),
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=2000,
        help_text=gettext_lazy("The other side and the arbiter read this word for word."),
    )


def _paper() -> forms.FileField:
    return forms.FileField(
        label=gettext_lazy("Paper that shows it"),
        required=False,
        help_text=gettext_lazy("PDF, PNG or JPEG, at most 10 MB. Only you and the arbiter can open it."),
    )


class _Section(forms.ModelForm):  # type: ignore[type-arg]
    """A section asks for what a reviewer needs of it; what the whole application needs, the steps check."""

    NEEDED: ClassVar[tuple[str, ...]] = ()
    NEEDED_ON_THE_MAINLAND: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        """Require what cannot be left out."""
        super().__init__(*args, **options)
        mainland = self.NEEDED_ON_THE_MAINLAND if self.instance.country == "CN" else ()
        for name in (*self.NEEDED, *mainland):
            self.fields[name].required = True

    def validate_constraints(self) -> None:
        """Leave the table's constraints to the step, which refuses in words."""


class CompanyForm(_Section):
    """Section 1 of an application: who the company is."""

    NEEDED = ("goods_category", "legal_person")

    class Meta:
        model = Provider
        fields: ClassVar[list[str]] = ["name", "category", "goods_category", "country", "credit_code", "legal_person"]
        help_texts: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("As on the business licence."),
            "category": gettext_lazy("What the company mainly does; the weights of a score can depend on it."),
            "country": gettext_lazy("Two letters, CN for the mainland."),
        }

    def clean_country(self) -> str:
        """Write the country in capitals."""
        country = str(self.cleaned_data["country"]).strip().upper()
        if not re.fullmatch(r"[A-Z]{2}", country):
            raise ValidationError(_("A country code has two letters, such as CN."))
        return country

    def clean_credit_code(self) -> str:
        """Check the code to its check character."""
        code = credit_code.normalised(self.cleaned_data["credit_code"] or "")
        if code and not credit_code.is_valid(code):
            raise ValidationError(_("This is not a valid code: a character is wrong, missing or swapped."))
        return code


class PlaceForm(_Section):
    """Section 2: where it works and what it offers."""

    NEEDED_ON_THE_MAINLAND = ("province", "city")

    class Meta:
        model = Provider
        fields: ClassVar[list[str]] = ["province", "city", "belt", "introduction", "distribution_declared"]
        help_texts: ClassVar[dict[str, Any]] = {
            "belt": gettext_lazy("Industrial-belt providers name the belt they serve."),
            "introduction": gettext_lazy("Team, experience, resources: what a merchant should know."),
        }


class ContactForm(_Section):
    """Section 3: whom to talk to, and the settlement account, of which only a fingerprint is kept."""

    NEEDED = ("contact_name", "contact_email", "contact_phone")

    settlement_account = forms.CharField(
        label=gettext_lazy("Settlement account number"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
        help_text=gettext_lazy("Only a fingerprint is kept, to recognise the same account again. Empty: unchanged."),
    )

    class Meta:
        model = Provider
        fields: ClassVar[list[str]] = ["contact_name", "contact_email", "contact_phone"]

    def clean_settlement_account(self) -> str:
        """Keep letters and digits only, so that spaces make no difference."""
        account = re.sub(r"\W", "", self.cleaned_data["settlement_account"]).upper()
        if account and len(account) < _SHORTEST_ACCOUNT:
            raise ValidationError(_("An account number has at least %(count)s digits.") % {"count": _SHORTEST_ACCOUNT})
        return account

    def values(self) -> dict[str, object]:
        """Return the columns to keep."""
        values = {name: self.cleaned_data[name] for name in self.Meta.fields}
        account = self.cleaned_data["settlement_account"]
        if account:
            values["bank_account_digest"] = hashlib.sha256(account.encode()).hexdigest()
        return values


SECTIONS: dict[str, type[CompanyForm | PlaceForm | ContactForm]] = {
    "company": CompanyForm,
    "place": PlaceForm,
    "contact": ContactForm,
}


class DocumentForm(forms.Form):
    """A document with its validity."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Qualification.Kind.choices)
    number = forms.CharField(label=gettext_lazy("Number"), max_length=80, required=False)
    issuer = forms.CharField(label=gettext_lazy("Issuer"), max_length=120, required=False)
    valid_from = _day(gettext_lazy("Valid from"))
    valid_until = _day(gettext_lazy("Valid until"), required=False, help_text=gettext_lazy("Empty: no expiry."))
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("PDF, PNG or JPEG, at most 10 MB."),
        widget=forms.ClearableFileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg"}),
    )

    def clean_file(self) -> Any:
        """Refuse what is not a document, beside the field."""
        upload = self.cleaned_data["file"]
        try:
            documents.checked(upload)
        except FileRefused as refusal:
            raise ValidationError(str(refusal)) from refusal
        return upload

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it starts."""
        values = super().clean() or {}
        first, last = values.get("valid_from"), values.get("valid_until")
        if first and last and last < first:
            self.add_error("valid_until", _("The document cannot expire before it becomes valid."))
        return values


class InvitationForm(forms.Form):
    """Whom to invite, to do what."""

    email = forms.EmailField(label=gettext_lazy("Email"), widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=MemberRole.choices,
        initial=MemberRole.ANALYST,
        help_text=gettext_lazy(
            "Owners do everything; analysts read scores and figures; operators keep bindings as well."
        ),
    )


class _SubjectForm(forms.Form):
    """Whom it is about, in which role, from when."""

    kind = forms.ChoiceField(
        label=gettext_lazy("The other side"),
        choices=[("merchant", gettext_lazy("Merchant")), ("streamer", gettext_lazy("Streamer"))],
        widget=forms.RadioSelect,
        initial="merchant",
    )
    code = forms.CharField(
        label=pgettext_lazy("in the register", "Code"),
        max_length=64,
        help_text=gettext_lazy("The code of the merchant or streamer."),
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=BindingRole.choices)
    starts_on = _day(gettext_lazy("First day"))
    subject: Merchant | Streamer | None = None

    def clean(self) -> dict[str, Any]:
        """Find the merchant or streamer by its code."""
        values = super().clean() or {}
        code, kind = values.get("code"), values.get("kind")
        if code and kind:
            model: type[Merchant] | type[Streamer] = Merchant if kind == "merchant" else Streamer
            self.subject = model._default_manager.filter(code=code.strip()).first()
            if self.subject is None:
                self.add_error("code", _("Nobody of this kind has the code %(code)s.") % {"code": code})
        return values


class ProposalForm(_SubjectForm):
    """Whom the provider serves, in which role, from when."""

    term_ends_on = _day(
        gettext_lazy("Contract term ends on"),
        required=False,
        help_text=gettext_lazy("The day a renewal falls due; the binding runs on until one side ends it."),
    )
    related_party = forms.BooleanField(
        label=gettext_lazy("Related party: same legal person or account as the provider"), required=False
    )
    takes_over = forms.BooleanField(
        label=gettext_lazy("Transfer: take over from the provider bound today"),
        required=False,
        help_text=gettext_lazy(
            "Its binding ends on your first day, once the other side confirms; not before the cool-down is over."
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a term that ends before the binding starts."""
        values = super().clean()
        first, term = values.get("starts_on"), values.get("term_ends_on")
        if first and term and term <= first:
            self.add_error("term_ends_on", _("The term must end after the first day."))
        return values


class ConflictForm(_SubjectForm):
    """Whose days the provider claims from another one, with what shows it."""

    ends_before = _day(
        gettext_lazy("Ends before"), required=False, help_text=gettext_lazy("Empty: as long as the contested binding.")
    )
    text = _statement()
    file = _paper()


class EvidenceForm(forms.Form):
    """What one side says, and a paper that shows it."""

    text = _statement()
    file = _paper()


class ShareForm(forms.Form):
    """Who has how much of a binding, from when."""

    code = forms.CharField(label=gettext_lazy("Provider code"), max_length=40)
    percent = forms.DecimalField(
        label=gettext_lazy("Share in percent"),
        min_value=Decimal("0.01"),
        max_value=Decimal("99.99"),
        max_digits=4,
        decimal_places=2,
        help_text=gettext_lazy("You keep the rest."),
    )
    starts_on = _day(gettext_lazy("First day"))
    ends_before = _day(
        gettext_lazy("Ends before"), required=False, help_text=gettext_lazy("Empty: as long as the binding.")
    )
    provider: Provider | None = None

    def clean(self) -> dict[str, Any]:
        """Find the other provider by its code."""
        values = super().clean() or {}
        code = values.get("code", "").strip()
        if code:
            self.provider = Provider.objects.filter(code=code, status=Provider.Status.APPROVED).first()
            if self.provider is None:
                self.add_error("code", _("No approved provider has the code %(code)s.") % {"code": code})
        return values

    def values(self) -> dict[str, Any]:
        """Return what the step asks for; the share in basis points."""
        given = self.cleaned_data
        return {
            "provider_id": self.provider.pk if self.provider else 0,
            "share_bp": int(given["percent"] * 100),
            "starts_on": given["starts_on"],
            "ends_before": given["ends_before"],
        }


class EndForm(forms.Form):
    """The first day on which the binding no longer holds."""

    ends_before = _day(
        gettext_lazy("First day without the binding"),
        help_text=gettext_lazy("The days before it keep counting for this provider."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        """Propose today."""
        super().__init__(*args, **options)
        self.fields["ends_before"].initial = business_today()


class RenewalForm(forms.Form):
    """Until when the other side is asked to renew."""

    term_ends_on = _day(gettext_lazy("New end of the contract term"))


class OrderForm(forms.Form):
    """An order: whose goods, sold where, on which day."""

    merchant_code = forms.CharField(label=gettext_lazy("Merchant code"), max_length=64)
    streamer_code = forms.CharField(
        label=gettext_lazy("Room code"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("The live account that sold it; empty: sold without one."),
    )
    day = _day(gettext_lazy("Day"))
    merchant: Merchant | None = None
    streamer: Streamer | None = None

    def clean(self) -> dict[str, Any]:
        """Find merchant and room; an unknown one is answered like one that is not the reader's."""
        values = super().clean() or {}
        self.merchant = Merchant.objects.filter(code=values.get("merchant_code", "").strip()).first()
        room = values.get("streamer_code", "").strip()
        if room:
            self.streamer = Streamer.objects.filter(code=room).select_related("merchant").first()
            if self.streamer is None:
                self.merchant = None
        return values


class WithdrawalForm(forms.Form):
    """Leave, with a reason and on purpose."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=400, required=False)
    sure = forms.BooleanField(label=gettext_lazy("I understand that this ends all bindings and cannot be undone."))
