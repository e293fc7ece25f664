"""What rows of registers said before they changed, so that any knowledge cut-off can be rebuilt."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class RegisterVersionQuerySet(models.QuerySet["RegisterVersion"]):
    """The reading language of earlier versions."""

    def of(self, row: models.Model) -> RegisterVersionQuerySet:
        """Keep what one row said, the earliest first."""
        return self.filter(register=row._meta.db_table, row_id=row.pk).order_by("recorded_to", "pk")


class RegisterVersion(models.Model):
    """What a row of a register said until a moment, in the columns that scores are made of.

    The database writes it whenever a statement adds or changes rows, whoever sent it (triggers, migration
    ``register_versions``); so a row as known at a moment is its first version since, or the row itself.
    """

    register = models.CharField(_("table"), max_length=63)
    row_id = models.BigIntegerField(_("row"))
    known = models.JSONField(_("what it said"), null=True, help_text=_("Empty: until then there was no such row."))
    recorded_to = models.DateTimeField(_("stood until"))

    objects = RegisterVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("earlier version")
        verbose_name_plural = _("earlier versions")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="registerversion_of_row", fields=["register", "row_id", "recorded_to", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.register} {self.row_id} < {self.recorded_to}"
