"""Scores: one narrow row per provider and run; the explanation is computed from the run's frozen inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from providers.choices import ProviderCategory
from providers.models import Provider
from scoring.models.runs import Run

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User

# The flag of a provider that left since its row was written; contests and grants may still point at the row.
LEFT = "left"


class ScoreQuerySet(models.QuerySet["Score"]):
    """The reading language of scores."""

    def of(self, run: Run) -> ScoreQuerySet:
        """Keep one run's scores."""
        return self.filter(run=run)

    def visible_to(self, user: User | AnonymousUser) -> ScoreQuerySet:
        """Keep the scores this user may read; before publication official ones are for staff only."""
        if user.is_authenticated and user.is_active and user.is_staff and not user.is_scoped:
            return self
        visible = self.filter(provider__in=Provider.objects.readable_by(user))
        if user.is_authenticated and user.is_staff:
            return visible
        return visible.exclude(
            run__kind=Run.Kind.OFFICIAL,
            run__status__in=[Run.Status.OPEN, Run.Status.FROZEN, Run.Status.COMPUTED, Run.Status.REVIEWED],
        )

    def called_otherwise(self) -> ScoreQuerySet:
        """Keep the scores whose provider is called otherwise, or works in another category, by now."""
        return self.exclude(
            provider_code=F("provider__code"),
            provider_name=F("provider__name"),
            provider_category=F("provider__category"),
        )

    def best_first(self) -> ScoreQuerySet:
        """Order by rank, total; the not rated come last."""
        return self.order_by(F("rank").asc(nulls_last=True), "provider_id")


class Score(models.Model):
    """The published numbers of one provider in one run; immutable once the run is published (in the database)."""

    class Status(models.TextChoices):
        """Not rated is not a low score."""

        RATED = "rated", _("rated")
        NOT_RATED = "not_rated", _("not rated")

    # Both are the first column of an index below: scores of a run by rank, those of a provider as they are unique.
    # Triggers hold both to what is there, once a statement (docs/decisions/0022-scores-held-once-a-statement.md).
    run = models.ForeignKey(
        Run,
        verbose_name=_("run"),
        on_delete=models.PROTECT,
        related_name="scores",
        db_index=False,
        db_constraint=False,
    )
    provider = models.ForeignKey(
        "providers.Provider",
        verbose_name=_("provider"),
        on_delete=models.PROTECT,
        related_name="scores",
        db_index=False,
        db_constraint=False,
    )
    # As the provider was called when it was scored, so that a list of ranks lies on a page or two of this table.
    # The newest provisional run follows a change of name (``steps/score.py``); a published one stands as it was read.
    provider_code = models.CharField(_("code"), max_length=40)
    provider_name = models.CharField(_("name"), max_length=120)
    provider_category = models.CharField(_("provider category"), max_length=20, choices=ProviderCategory.choices)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    published = models.DecimalField(
        _("score"), max_digits=9, decimal_places=4, null=True, blank=True, help_text=_("Points, 0–100.")
    )
    grade = models.CharField(_("grade"), max_length=10, blank=True)
    rank = models.PositiveIntegerField(_("rank"), null=True, blank=True)
    # Code of the capability → published points as text, or null where it is not rated.
    capabilities = models.JSONField(_("capabilities"), default=dict)
    flags = ArrayField(models.CharField(max_length=60), verbose_name=_("flags"), default=list, blank=True)

    objects = ScoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(name="score_once_per_run", fields=["provider", "run"]),
            models.CheckConstraint(
                name="score_names_its_provider", condition=~Q(provider_code="") & ~Q(provider_category="")
            ),
            models.CheckConstraint(name="score_status_known", condition=Q(status__in=["rated", "not_rated"])),
            models.CheckConstraint(
                name="score_rated_has_numbers",
                condition=Q(status="rated", published__isnull=False, rank__isnull=False) & ~Q(grade="")
                | Q(status="not_rated", published__isnull=True, rank__isnull=True, grade=""),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="score_by_rank", fields=["run", "rank", "provider"]),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.published} {self.grade}"

    @property
    def cut_off(self) -> datetime:
        """Return when the inputs of this score were read."""
        return self.run.cut_off_of(self.provider_id)
