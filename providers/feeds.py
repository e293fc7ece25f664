"""Every feed and its columns: one table, read by the reader, the documentation and the API alike.

A code column has the same name in every feed: ``provider``, ``merchant``, ``streamer``, ``belt``.
"""

from __future__ import annotations

from functools import cache

from django.utils.translation import gettext_noop, pgettext_lazy

from providers.choices import BindingRole, GoodsCategory, ProviderCategory, Province
from providers.measures import SUBJECTS, Subject, catalogue
from providers.models import Base, OperatorCertificate, Violation
from providers.models.facts import key_columns
from providers.readers.columns import Column, Layout
from providers.shares import WHOLE

FEED_NAMES = {
    "belts": pgettext_lazy("feed", "Industrial belts"),
    "bases": pgettext_lazy("feed", "Bases"),
    "providers": pgettext_lazy("feed", "Service providers"),
    "merchants": pgettext_lazy("feed", "Merchants"),
    "streamers": pgettext_lazy("feed", "Streamers"),
    "bindings": pgettext_lazy("feed", "Bindings"),
    "operated_sessions": pgettext_lazy("feed", "Operated sessions"),
    "operator_certificates": pgettext_lazy("feed", "Operator certificates"),
    "violations": pgettext_lazy("feed", "Violation cases"),
    "sales": pgettext_lazy("feed", "Sales"),
    "settlement": pgettext_lazy("feed", "Settlement"),
    "supply": pgettext_lazy("feed", "Supply"),
    "refunds": pgettext_lazy("feed", "Refunds"),
    "live": pgettext_lazy("feed", "Live sessions"),
    "people": pgettext_lazy("feed", "People"),
    "service": pgettext_lazy("feed", "Service and fulfilment"),
    "traffic": pgettext_lazy("feed", "Traffic and marketing"),
    "provider_report": pgettext_lazy("feed", "Providers' own reports"),
}
KEY_HELP = {
    "day": gettext_noop("Business day (Asia/Shanghai), like 2021-07-31."),
    "merchant": gettext_noop("Code of a registered merchant."),
    "streamer": gettext_noop("Code of a registered streamer."),
    "provider": gettext_noop("Code of a registered provider."),
}
SELLING_ROOM = gettext_noop("Code of the room that sold; empty where there is none.")


def _code(name: str, help_text: str, *, refers: str = "", required: bool = True, longest: int = 64) -> Column:
    return Column(name, "code", help_text, required=required, refers=refers, longest=longest)


def _text(name: str, help_text: str, *, required: bool = False, longest: int = 120) -> Column:
    return Column(name, "text", help_text, required=required, longest=longest)


def _choice(name: str, help_text: str, choices: list[str], *, required: bool = False) -> Column:
    return Column(name, "choice", help_text, required=required, choices=tuple(choices))


def _day(name: str, help_text: str, *, required: bool = False) -> Column:
    return Column(name, "day", help_text, required=required)


def _count(name: str, help_text: str, least: int, most: int, *, required: bool = True) -> Column:
    return Column(name, "integer", help_text, required=required, minimum=least, maximum=most)


def _province(*, required: bool = False) -> Column:
    return _choice(
        "province", gettext_noop("Province, GB/T 2260 code of two digits."), Province.values, required=required
    )


def _goods(name: str, *, required: bool = False) -> Column:
    return _choice(name, gettext_noop("Main category of goods."), GoodsCategory.values, required=required)


_BELT = _code("belt", gettext_noop("Code of an industrial belt."), refers="belt", required=False, longest=40)
_EMAIL = _text("contact_email", gettext_noop("Contact email."), longest=254)
_COUNTRY = _text("country", gettext_noop("Country, ISO 3166 code of two letters; CN when empty."), longest=2)
_FEN = 10**15

REGISTER_LAYOUTS: dict[str, Layout] = {
    layout.feed: layout
    for layout in (
        Layout(
            "belts",
            "",
            ("belt",),
            (
                _code("belt", gettext_noop("Code of the belt."), longest=40),
                _text("name", gettext_noop("Name."), required=True, longest=60),
                _province(required=True),
                _text("city", gettext_noop("City."), required=True, longest=30),
                _goods("category", required=True),
                _text("goods", gettext_noop("Goods it is known for."), required=True, longest=60),
                _count("intensity", gettext_noop("Intensity, 1–10."), 1, 10),
            ),
        ),
        Layout(
            "bases",
            "",
            ("base",),
            (
                _code("base", gettext_noop("Code of the base."), longest=40),
                _text("name", gettext_noop("Name."), required=True, longest=80),
                _BELT,
                _province(required=True),
                _text("city", gettext_noop("City."), required=True, longest=30),
                _code(
                    "operated_by",
                    gettext_noop("Code of the provider that operates it."),
                    refers="provider",
                    required=False,
                ),
                _choice("status", gettext_noop("Where the award stands."), Base.Status.values),
                _day("awarded_on", gettext_noop("Day of the award; needed once awarded.")),
            ),
        ),
        Layout(
            "providers",
            "",
            ("provider",),
            (
                _code("provider", gettext_noop("Code of the provider."), longest=40),
                _text("name", gettext_noop("Name."), required=True),
                _choice("category", gettext_noop("Provider category."), ProviderCategory.values, required=True),
                _goods("goods_category"),
                _COUNTRY,
                _text(
                    "credit_code", gettext_noop("Unified social credit code; foreign companies have none."), longest=18
                ),
                _province(),
                _text("city", gettext_noop("City."), longest=40),
                _BELT,
                _text("contact_name", gettext_noop("Contact person."), longest=60),
                _EMAIL,
                _text("contact_phone", gettext_noop("Contact phone."), longest=30),
                _text("legal_person", gettext_noop("Legal representative."), longest=60),
                Column("distribution_declared", "flag", gettext_noop("1 if it distributes through the alliance.")),
                _day("approved_on", gettext_noop("Day of approval; today when empty.")),
                _text("evidence", gettext_noop("Where the approval stands on record."), required=True, longest=400),
            ),
        ),
        Layout(
            "merchants",
            "",
            ("merchant",),
            (
                _code("merchant", gettext_noop("Code of the merchant.")),
                _text("name", gettext_noop("Name."), required=True),
                _goods("category"),
                _COUNTRY,
                _province(),
                _text("city", gettext_noop("City."), longest=60),
                _BELT,
                _EMAIL,
                _day("opened_on", gettext_noop("Day the shop opened.")),
            ),
        ),
        Layout(
            "streamers",
            "",
            ("streamer",),
            (
                _code("streamer", gettext_noop("Code of the live account.")),
                _text("name", gettext_noop("Name."), required=True),
                _text(
                    "person",
                    gettext_noop("Pseudonymous key of the real person; sister accounts share it."),
                    required=True,
                    longest=64,
                ),
                _code(
                    "merchant",
                    gettext_noop("Code of the merchant whose own room it is."),
                    refers="merchant",
                    required=False,
                ),
                _goods("category"),
                _province(),
                _count("followers", gettext_noop("Followers."), 0, 10**10, required=False),
                _EMAIL,
            ),
        ),
        Layout(
            "bindings",
            "",
            ("provider", "merchant", "streamer", "role", "starts_on"),
            (
                _code("provider", KEY_HELP["provider"], refers="provider", longest=40),
                _code(
                    "merchant",
                    gettext_noop("Code of the merchant served; empty if it is a streamer."),
                    refers="merchant",
                    required=False,
                ),
                _code(
                    "streamer",
                    gettext_noop("Code of the streamer served; empty if it is a merchant."),
                    refers="streamer",
                    required=False,
                ),
                _choice("role", gettext_noop("What the provider does for it."), BindingRole.values, required=True),
                _day("starts_on", gettext_noop("First day."), required=True),
                _day("ends_before", gettext_noop("First day it no longer holds; empty: it runs on.")),
                _text(
                    "evidence",
                    gettext_noop("Where the other side's consent stands on record."),
                    required=True,
                    longest=254,
                ),
                _day("term_ends_on", gettext_noop("Day a renewal falls due.")),
                _day("renewed_on", gettext_noop("Day the other side renewed.")),
                Column("related_party", "flag", gettext_noop("1 if both are the same legal person or account.")),
                _code(
                    "lead",
                    gettext_noop("Code of the provider whose binding this is a share of; empty: no share."),
                    refers="provider",
                    required=False,
                    longest=40,
                ),
                _count(
                    "share_bp",
                    gettext_noop("The share in basis points (10,000 are the whole); only with lead."),
                    1,
                    WHOLE - 1,
                    required=False,
                ),
            ),
        ),
        Layout(
            "operated_sessions",
            "",
            ("session",),
            (
                _code("session", gettext_noop("Code of the session.")),
                _code("provider", KEY_HELP["provider"], refers="provider", longest=40),
                _code("streamer", KEY_HELP["streamer"], refers="streamer"),
                _text("operator", gettext_noop("Pseudonymous key of the operator."), required=True, longest=64),
                _day("day", gettext_noop("Session day."), required=True),
                _count("registered_hours_ahead", gettext_noop("Hours it was registered ahead."), 0, 10**6),
                _count("gmv_strict_fen", gettext_noop("Strict GMV, fen."), 0, _FEN),
                _count("baseline_fen", gettext_noop("Median of the 28 days before, fen."), 0, _FEN),
                _count("baseline_sessions", gettext_noop("Sessions in the baseline."), 0, 10**4),
                _count("day_index_bp", gettext_noop("Platform day index, basis points."), 1, 10**6),
                Column(
                    "fell_below_after",
                    "flag",
                    gettext_noop("1 if it fell below the baseline in the 14 days after."),
                    required=True,
                ),
            ),
        ),
        Layout(
            "operator_certificates",
            "",
            ("certificate",),
            (
                _code("certificate", gettext_noop("Certificate number."), longest=40),
                _code("provider", KEY_HELP["provider"], refers="provider", longest=40),
                _text("person", gettext_noop("Pseudonymous key of the holder."), required=True, longest=64),
                _choice("level", gettext_noop("Level."), OperatorCertificate.Level.values, required=True),
                _day("starts_on", gettext_noop("First day it is valid."), required=True),
                _day("ends_before", gettext_noop("First day it is no longer valid; empty: it runs on.")),
            ),
        ),
        Layout(
            "violations",
            "",
            ("violation",),
            (
                _code("violation", gettext_noop("Case number."), longest=40),
                _code("provider", KEY_HELP["provider"], refers="provider", longest=40),
                _choice("kind", gettext_noop("Kind of violation."), Violation.Kind.values, required=True),
                _choice("severity", gettext_noop("How grave it is."), Violation.Severity.values, required=True),
                _choice("status", gettext_noop("Where the case stands; open when empty."), Violation.Status.values),
                _day("opened_on", gettext_noop("Day it was opened."), required=True),
                _day("decided_on", gettext_noop("Day it was decided; needed unless open.")),
                _day("closed_on", gettext_noop("Day it was closed.")),
                _text("note", gettext_noop("Note."), longest=2000),
            ),
        ),
    )
}


@cache
def fact_layouts(feed: str) -> dict[str, Layout]:
    """Return the layouts of a fact feed, one per kind of subject; empty for a feed that delivers no facts."""
    return {subject: _fact_layout(feed, subject) for subject in SUBJECTS if (feed, subject) in catalogue().fact_feeds()}


def _fact_layout(feed: str, subject: Subject) -> Layout:
    key = tuple(name.removesuffix("_id") for name in key_columns(feed, subject))
    keys = [Column("day", "day", KEY_HELP["day"], required=True)]
    for name in key[1:]:
        own = name == subject
        keys.append(_code(name, KEY_HELP[name] if own else SELLING_ROOM, refers=name, required=own))
    measures = [
        Column(measure.code, "integer", measure.name_en, minimum=measure.minimum, maximum=measure.maximum)
        for measure in catalogue().delivered(feed, subject)
    ]
    return Layout(feed, subject, key, (*keys, *measures))


def fact_feeds() -> tuple[str, ...]:
    """Return the names of the feeds that deliver facts."""
    return tuple(dict.fromkeys(feed for feed, _subject in catalogue().fact_feeds()))


def feeds() -> tuple[str, ...]:
    """Return the names of all feeds, registers first: the order in which a newcomer sends them."""
    return (*REGISTER_LAYOUTS, *fact_feeds())


def feed_name(feed: str) -> str:
    """Return what a feed is called in the reader's language."""
    return str(FEED_NAMES[feed])


def layouts(feed: str) -> tuple[Layout, ...]:
    """Return the layouts of a feed; empty for an unknown one."""
    if feed in REGISTER_LAYOUTS:
        return (REGISTER_LAYOUTS[feed],)
    return tuple(fact_layouts(feed).values())
