"""Plans: programmes with promises that are counted (造风者计划 and its kin)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ecosystem.numerals import is_chinese
from ecosystem.roles import STAFF, Role
from providers.models import Provider

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class Plan(models.Model):
    """A programme with a period; its targets are its promises."""

    code = models.CharField(_("code"), max_length=40, unique=True)
    name_zh = models.CharField(_("name, Chinese"), max_length=80)
    name_en = models.CharField(_("name, English"), max_length=80)
    starts_on = models.DateField(_("starts on"))
    ends_before = models.DateField(_("ends before"), null=True, blank=True)
    is_closed = models.BooleanField(_("closed"), default=False)
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering: ClassVar[list[str]] = ["-starts_on", "code"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="plan_period_not_empty",
                condition=Q(ends_before__isnull=True) | Q(ends_before__gt=F("starts_on")),
            ),
        ]

    def __str__(self) -> str:
        return self.name_zh if is_chinese() else self.name_en

    def name(self, language: str) -> str:
        """Return the plan's name in the language, Chinese unless English is asked for."""
        return self.name_en if language.startswith("en") else self.name_zh


class PlanTarget(models.Model):
    """One promise: count subjects whose ``value`` lies in the band, or add the value up against a cap or sum."""

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="targets")
    code = models.CharField(_("code"), max_length=40)
    name_zh = models.CharField(_("name, Chinese"), max_length=80)
    name_en = models.CharField(_("name, English"), max_length=80)
    value = models.CharField(
        _("value"), max_length=200, help_text=_("Formula over measures, such as gmv_settled_once[365d].")
    )
    unit = models.CharField(_("unit"), max_length=20, help_text=_("Of the value: fen, impressions, persons …"))
    at_least = models.BigIntegerField(
        _("at least"), null=True, blank=True, help_text=_("In the value's unit; inclusive.")
    )
    below = models.BigIntegerField(_("below"), null=True, blank=True, help_text=_("In the value's unit; exclusive."))
    target = models.BigIntegerField(
        _("target"), null=True, blank=True, help_text=_("Subjects to reach, or the sum to reach.")
    )
    cap = models.BigIntegerField(
        _("cap"), null=True, blank=True, help_text=_("Never to be exceeded, in the value's unit.")
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("plan target")
        verbose_name_plural = _("plan targets")
        ordering: ClassVar[list[str]] = ["plan", "position", "code"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="plantarget_once", fields=["plan", "code"]),
            models.CheckConstraint(
                name="plantarget_band_not_empty",
                condition=Q(below__isnull=True) | Q(at_least__isnull=False, below__gt=F("at_least")),
            ),
            models.CheckConstraint(name="plantarget_one_goal", condition=Q(target__isnull=True) | Q(cap__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.name_zh if is_chinese() else self.name_en

    @property
    def pool_code(self) -> str:
        """Return the code of the pool this target's cap is kept in."""
        return f"{self.plan.code}/{self.code}"

    def name(self, language: str) -> str:
        """Return the target's name in the language, Chinese unless English is asked for."""
        return self.name_en if language.startswith("en") else self.name_zh

    @property
    def goal(self) -> int | None:
        """Return the number promised: the target or the cap; None where none was named."""
        return self.cap if self.target is None else self.target

    @property
    def counts_providers(self) -> bool:
        """Tell whether the target counts providers in a band (else it adds the value up)."""
        return self.at_least is not None


class StandingQuerySet(models.QuerySet["Standing"]):
    """The reading language of standings."""

    def visible_to(self, user: User | AnonymousUser) -> StandingQuerySet:
        """Keep the standings of providers whose numbers this user may read."""
        return self.filter(provider__in=Provider.objects.readable_by(user))

    def of(self, plan: Plan, as_of: date) -> StandingQuerySet:
        """Keep one plan's standings as of a day."""
        return self.filter(plan=plan, as_of=as_of)

    def largest_first(self) -> StandingQuerySet:
        """Order by rank, total."""
        return self.order_by("-value", "provider_id")

    def after(self, value: int, provider_id: int) -> StandingQuerySet:
        """Keep what comes after one row of ``largest_first`` (keyset paging)."""
        return self.filter(Q(value__lte=value) & (Q(value__lt=value) | Q(provider_id__gt=provider_id)))


class Standing(models.Model):
    """Where one provider stands against a plan's bands as of a day: its value and the band it has reached."""

    plan = models.ForeignKey(Plan, verbose_name=_("plan"), on_delete=models.PROTECT, related_name="standings")
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="standings"
    )
    as_of = models.DateField(_("as of"))
    value = models.BigIntegerField(_("value"))
    rank = models.PositiveIntegerField(_("rank"), help_text=_("By value; equal values share a rank."))
    band = models.ForeignKey(
        PlanTarget,
        verbose_name=_("tier reached"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="reached",
    )
    next_band = models.ForeignKey(
        PlanTarget,
        verbose_name=_("next tier"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sought",
    )
    gap = models.BigIntegerField(_("missing to the next tier"), null=True, blank=True)
    # Projected value at the plan's end if the last 30 days' daily mean went on; same unit as value.
    pace = models.BigIntegerField(_("value at the plan's end at the present pace"), null=True, blank=True)

    objects = StandingQuerySet.as_manager()

    class Meta:
        verbose_name = _("standing")
        verbose_name_plural = _("standings")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="standing_once_per_day", fields=["plan", "provider", "as_of"]),
            models.CheckConstraint(
                name="standing_gap_with_next", condition=Q(gap__isnull=True) | Q(gap__gt=0, next_band__isnull=False)
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="standing_largest", fields=["plan", "as_of", "-value", "provider"]),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.value}"

    @property
    def through(self) -> date:
        """Return the last business day that the value reaches."""
        return self.as_of - timedelta(days=1)


class Progress(models.Model):
    """One promise as of a day: what was reached, what is missing, what the present pace would give."""

    target = models.ForeignKey(PlanTarget, verbose_name=_("target"), on_delete=models.PROTECT, related_name="progress")
    as_of = models.DateField(_("as of"))
    value = models.BigIntegerField(_("value"))
    quality_value = models.BigIntegerField(
        _("of it with grade B or better"), null=True, blank=True, help_text=_("The quality count.")
    )
    gap = models.BigIntegerField(
        _("missing"), null=True, blank=True, help_text=_("To the target or left under the cap; none without either.")
    )
    pace = models.BigIntegerField(_("at the present pace"), null=True, blank=True)
    is_baseline = models.BooleanField(
        _("imported baseline"),
        default=False,
        help_text=_("Taken over from before this portal, with its evidence in the note."),
    )
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("progress")
        verbose_name_plural = _("progress")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="progress_once_per_day", fields=["target", "as_of"]),
            models.CheckConstraint(name="progress_gap_not_negative", condition=Q(gap__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.target} {self.as_of}: {self.value}"


def may_see_plans(user: User | AnonymousUser) -> bool:
    """Tell whether the whole plan, with every name, is open to this user."""
    return user.is_authenticated and user.is_active and (user.role in STAFF or user.role == Role.MACHINE)
