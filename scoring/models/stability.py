"""How firmly the grades and ranks of a run stand, drawn once for everybody after the run is computed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from scoring.models.runs import Run

BLOCK = 64  # providers by id; a page about one of them reads one row
_OF_ONE = """
SELECT digest, drawn_at, draws, same_grade[place], rank_low[place], rank_high[place] FROM (
    SELECT *, array_position(providers, %s::bigint) AS place FROM scoring_runstability
    WHERE run_id = %s AND block = %s) AS drawn
WHERE place IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Firmness:
    """One provider's part of what was drawn; same_grade: in how many of the draws its grade is the same."""

    digest: str
    drawn_at: datetime
    draws: int
    same_grade: int
    rank_low: int
    rank_high: int


class RunStabilityQuerySet(models.QuerySet["RunStability"]):
    """The reading language of stability."""

    def lacking(self) -> list[Run]:
        """Return the runs to draw anew, most urgent first: the newest provisional one, and official ones that stand."""
        known = Run.objects.filter(input__isnull=False).select_related("rubric_version").newest_first()
        stand = [Run.Status.COMPUTED, Run.Status.REVIEWED, Run.Status.PUBLISHED]
        runs = [*known.provisional()[:1], *known.official().filter(status__in=stand)]
        drawn = dict(self.filter(run__in=runs).order_by("run", "block").distinct("run").values_list("run", "digest"))
        return [run for run in runs if drawn.get(run.pk) != stands_on(run)]

    def of_one(self, run: Run, provider_id: int) -> Firmness | None:
        """Return what was drawn for one provider, without reading everybody else's."""
        with connection.cursor() as cursor:
            cursor.execute(_OF_ONE, [provider_id, run.pk, provider_id // BLOCK])
            row = cursor.fetchone()
        return None if row is None else Firmness(*row)


class RunStability(models.Model):
    """What was drawn for the rated providers of a block, aligned: draws with the same grade, the ranks of 90 % of them.

    Block 0 is there even where it holds nobody: it says that the run was drawn.
    """

    pk = models.CompositePrimaryKey("run_id", "block")
    run = models.ForeignKey(
        Run, verbose_name=_("run"), db_index=False, on_delete=models.CASCADE, related_name="stability"
    )
    block = models.BigIntegerField(_("block"))
    digest = models.CharField(_("SHA-256 of rules and inputs"), max_length=64)
    draws = models.PositiveIntegerField(_("draws"))
    providers = ArrayField(models.BigIntegerField(), verbose_name=_("providers"))
    same_grade = ArrayField(models.IntegerField(), verbose_name=_("draws with the same grade"))
    rank_low = ArrayField(models.IntegerField(), verbose_name=_("rank that 5 % of the draws do not exceed"))
    rank_high = ArrayField(models.IntegerField(), verbose_name=_("rank that 95 % of the draws do not exceed"))
    drawn_at = models.DateTimeField(_("drawn at"), default=timezone.now)

    objects = RunStabilityQuerySet.as_manager()

    class Meta:
        verbose_name = _("stability of a run")
        verbose_name_plural = _("stability of runs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="runstability_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.block} {self.digest[:12]}"


def stands_on(run: Run) -> str:
    """Return the digest of what a run's stability is drawn from: its rules and its inputs."""
    return sha256(f"{run.rubric_version.digest}:{run.input_digest}".encode()).hexdigest()
