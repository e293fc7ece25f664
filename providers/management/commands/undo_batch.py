"""Take a batch of facts back: ``./run undo_batch ID``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from ecosystem.errors import DomainError
from providers.models import Batch
from providers.steps.undo_batch import undo_batch


class Command(BaseCommand):
    help = "Take a batch of facts back; refused while a later batch stands on any of its rows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("batch", type=int, help="number of the batch, as `batches` lists it")

    def handle(self, *args: object, **options: Any) -> None:
        try:
            batch = undo_batch(options["batch"], actor=None)
        except Batch.DoesNotExist as error:
            raise CommandError(_("There is no batch %(number)s.") % {"number": options["batch"]}) from error
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{_('batch')} {batch.pk}: {batch}: {batch.get_status_display()}")
