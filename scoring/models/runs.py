"""Runs: one scoring of the whole population under one rubric version, as of one day."""

from __future__ import annotations

from collections import OrderedDict
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar

import psycopg
from django.conf import settings
from django.db import connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ecosystem.errors import WrongStatus
from scoring.core.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class RunQuerySet(models.QuerySet["Run"]):
    """The reading language of runs."""

    def visible_to(self, user: User | AnonymousUser) -> RunQuerySet:
        """Keep what this user may see: staff all, others official runs once published and the provisional ones."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_staff:
            return self
        return self.filter(
            Q(kind=Run.Kind.PROVISIONAL, status=Run.Status.COMPUTED)
            | Q(status__in=[Run.Status.PUBLISHED, Run.Status.SUPERSEDED])
        )

    def official(self) -> RunQuerySet:
        """Keep official runs."""
        return self.filter(kind=Run.Kind.OFFICIAL)

    def published(self) -> RunQuerySet:
        """Keep the official runs whose numbers stand."""
        return self.filter(kind=Run.Kind.OFFICIAL, status=Run.Status.PUBLISHED)

    def provisional(self) -> RunQuerySet:
        """Keep the daily provisional runs that have scores."""
        return self.filter(kind=Run.Kind.PROVISIONAL, status=Run.Status.COMPUTED)

    def newest_first(self) -> RunQuerySet:
        """Order by as-of date, newest first, total."""
        return self.order_by("-as_of", "-pk")

    def advance(self, run_id: int, *, needs: Collection[str], leaves: str, **fields: object) -> Run:
        """Move one official run's status by one conditional UPDATE; a twin finds the status gone and is refused."""
        moved = self.filter(pk=run_id, kind=Run.Kind.OFFICIAL, status__in=needs).update(status=leaves, **fields)
        run = self.select_related("rubric_version").get(pk=run_id)
        if not moved:
            raise WrongStatus(
                _("The run is %(found)s; this step needs it %(needed)s.")
                % {
                    "found": run.get_status_display(),
                    "needed": " / ".join(str(Run.Status(status).label) for status in needs),
                }
            )
        return run


class Run(models.Model):
    """(rubric version, as-of date, knowledge cut-off) → scores of every provider.

    ``as_of`` is exclusive: windows are ``[as_of − n days, as_of)`` and pages say "data through as_of − 1".
    """

    class Kind(models.TextChoices):
        """A provisional run follows the facts; an official one is frozen, reviewed and published."""

        PROVISIONAL = "provisional", _("provisional")
        OFFICIAL = "official", _("official")

    class Status(models.TextChoices):
        """open → frozen → computed → reviewed → published → superseded."""

        OPEN = "open", pgettext_lazy("of a run", "open")
        FROZEN = "frozen", _("frozen")
        COMPUTED = "computed", _("computed")
        REVIEWED = "reviewed", _("reviewed")
        PUBLISHED = "published", _("published")
        SUPERSEDED = "superseded", _("superseded")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    as_of = models.DateField(_("as of"), help_text=_("Exclusive: data through the day before."))
    rubric_version = models.ForeignKey(
        "scoring.RubricVersion", verbose_name=_("rubric version"), on_delete=models.PROTECT, related_name="runs"
    )
    cut_off = models.DateTimeField(_("knowledge cut-off"), default=timezone.now)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.OPEN)
    corrects = models.ForeignKey(
        "self",
        verbose_name=_("corrects"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="corrections",
        help_text=_("The published run of the same day that this one supersedes once it is published."),
    )
    contest = models.ForeignKey(
        "scoring.Contest",
        verbose_name=_("appeal"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="runs",
        help_text=_("Only its provider's inputs are read anew; everybody else keeps those of the corrected run."),
    )
    input_digest = models.CharField(_("SHA-256 of the inputs"), max_length=64, blank=True)
    code_version = models.CharField(_("code version"), max_length=40, blank=True)
    rated = models.PositiveIntegerField(_("providers rated"), default=0)
    not_rated = models.PositiveIntegerField(_("providers not rated"), default=0)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("opened by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("reviewed by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), null=True, blank=True)
    review_note = models.TextField(_("review note"), blank=True)
    computed_at = models.DateTimeField(_("computed at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="run_kind_known", condition=Q(kind__in=["provisional", "official"])),
            models.CheckConstraint(
                name="run_status_known",
                condition=Q(status__in=["open", "frozen", "computed", "reviewed", "published", "superseded"]),
            ),
            models.CheckConstraint(
                name="run_provisional_is_never_published",
                condition=Q(kind="official") | Q(status__in=["open", "computed"]),
            ),
            models.CheckConstraint(
                name="run_frozen_has_inputs",
                condition=Q(status="open") | ~Q(input_digest=""),
            ),
            models.CheckConstraint(
                name="run_review_signed",
                condition=~Q(status__in=["reviewed", "published", "superseded"])
                | Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="run_corrects_officially",
                condition=Q(corrects__isnull=True, contest__isnull=True) | Q(kind="official", corrects__isnull=False),
            ),
            models.UniqueConstraint(
                name="run_one_provisional_per_day", fields=["as_of"], condition=Q(kind="provisional")
            ),
            models.UniqueConstraint(
                name="run_one_published_per_day", fields=["as_of"], condition=Q(status="published")
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="run_newest", fields=["kind", "status", "-as_of", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.as_of}"

    @property
    def through(self) -> date:
        """Return the last business day that the windows reach."""
        return self.as_of - timedelta(days=1)

    def cut_off_of(self, provider_id: int) -> datetime:
        """Return when the provider's inputs were read; a run for one appeal keeps everybody else's earlier moment."""
        if self.contest is None or self.contest.provider_id == provider_id:
            return self.cut_off
        assert self.corrects is not None  # run_corrects_officially
        return self.corrects.cut_off_of(provider_id)

    @property
    def is_official(self) -> bool:
        """Tell an official run from a provisional one."""
        return self.kind == Run.Kind.OFFICIAL


# Per process: the matrices read last, by digest. Pages of one run come in series, and a matrix never changes.
_KEPT: OrderedDict[str, Inputs] = OrderedDict()
_KEPT_MOST = 4
_KEEP = (
    "INSERT INTO scoring_runinput (run_id, content, digest) VALUES (%s, %b, %s)"
    " ON CONFLICT (run_id) DO UPDATE SET content = excluded.content, digest = excluded.digest"
)
_READ = "SELECT digest, CASE WHEN digest <> ALL(%s) THEN content END FROM scoring_runinput WHERE run_id = %s"


class RunInputQuerySet(models.QuerySet["RunInput"]):
    """The reading language of run inputs."""

    def keep(self, run: Run, content: bytes, digest: str = "") -> str:
        """Keep the matrix a run is computed from, as bytes; return their SHA-256, worked out unless given."""
        digest = digest or sha256(content).hexdigest()
        with psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(_KEEP, [run.pk, content, digest])
        return digest

    def matrix(self, run: Run) -> Inputs | None:
        """Return the matrix a run was computed from, read once per process; None where it has none yet."""
        connection.ensure_connection()
        # In binary: as text the content would be twice as long.
        with psycopg.Cursor(connection.connection) as cursor:
            row = cursor.execute(_READ, [list(_KEPT), run.pk], binary=True).fetchone()
        if row is None:
            return None
        digest, content = row
        made = _KEPT.get(digest) if content is None else Inputs.from_bytes(content)
        if made is None:  # another thread let it go meanwhile
            return self.get(run=run).as_core()
        _KEPT[digest] = made
        _KEPT.move_to_end(digest)
        while len(_KEPT) > _KEPT_MOST:
            _KEPT.popitem(last=False)
        return made


class RunInput(models.Model):
    """The frozen matrix a run was computed from: operands × providers, with states (``scoring.core`` reads it)."""

    run = models.OneToOneField(
        Run, verbose_name=_("run"), primary_key=True, on_delete=models.CASCADE, related_name="input"
    )
    content = models.BinaryField(_("content"))
    digest = models.CharField(_("SHA-256"), max_length=64)

    objects = RunInputQuerySet.as_manager()

    class Meta:
        verbose_name = _("run input")
        verbose_name_plural = _("run inputs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="runinput_digest_is_sha256", condition=Q(digest__regex=r"^[0-9a-f]{64}$")),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.digest[:12]}"

    def as_core(self) -> Inputs:
        """Return the matrix as the scoring core reads it, from these very bytes."""
        return Inputs.from_bytes(bytes(self.content))
