"""Take in a file: ``./run ingest FEED FILE``."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from ecosystem.errors import DomainError
from providers.models import Batch
from providers.readers.faults import Fault
from providers.readers.mapping import Mapping, read_mapping
from providers.steps.ingest import check, ingest

SHOWN = 20


class Command(BaseCommand):
    help = "Take in a CSV file (also .gz) of a feed: all of it counts, or none of it and every fault is named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("feed", help="feed, as docs/bring-your-data.md lists them")
        parser.add_argument("file", type=Path)
        parser.add_argument("--map", type=Path, help="mapping file (YAML)")
        parser.add_argument("--batch", help="batch key; without it, the file's name")
        parser.add_argument("--source", default="file", help="system the file comes from")
        parser.add_argument("--covers", help="days delivered, both included: 2022-06-01..2022-06-30")
        parser.add_argument("--accept-unusual", default="", metavar="REASON", help="let an unusual day pass; say why")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and leave nothing behind")

    def handle(self, *args: object, **options: Any) -> None:
        path: Path = options["file"]
        try:
            mapping = _mapping(options["map"], path.parent)
            covers = _covers(options["covers"])
            with path.open("rb") as content:
                if options["dry_run"]:
                    checked = check(
                        options["feed"],
                        content,
                        mapping=mapping,
                        covers=covers,
                        accept_unusual=options["accept_unusual"],
                    )
                    self._tell(checked.rows, checked.rows_added, checked.rows_changed, checked.rows_same)
                    self._end(checked.errors, checked.faults)
                    return
                batch = ingest(
                    options["feed"],
                    content,
                    key=options["batch"] or path.name,
                    source=options["source"],
                    mapping=mapping,
                    covers=covers,
                    file_name=path.name,
                    accept_unusual=options["accept_unusual"],
                )
        except (OSError, DomainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{_('batch')} {batch.pk}: {batch}: {batch.get_status_display()}")
        if batch.status == Batch.Status.APPLIED:
            self._tell(batch.rows, batch.rows_added, batch.rows_changed, batch.rows_same)
        shown = batch.row_errors.order_by("row", "id")[:SHOWN]
        self._end(batch.errors, tuple(Fault(e.row, e.column, e.found, e.reason) for e in shown))

    def _tell(self, rows: int, added: int, changed: int, same: int) -> None:
        counts = {"rows": rows, "added": added, "changed": changed, "same": same}
        self.stdout.write(_("%(rows)s rows: %(added)s added, %(changed)s changed, %(same)s already known") % counts)

    def _end(self, errors: int, faults: tuple[Fault, ...]) -> None:
        """Show the first faults and end with a failure, if there are any."""
        if not errors:
            return
        for fault in faults[:SHOWN]:
            self.stderr.write(
                f"{_('line')} {fault.row}, {fault.column or '–'}: {fault.reason} {_('Found')}: {fault.found!r}"
            )
        raise CommandError(_("%(count)s errors; nothing was applied.") % {"count": errors})


def _mapping(path: Path | None, beside: Path) -> Mapping | None:
    return read_mapping(path.read_text(encoding="utf-8"), beside=beside) if path else None


def _covers(text: str | None) -> tuple[date, date] | None:
    if not text:
        return None
    try:
        first, last = (date.fromisoformat(part) for part in text.split(".."))
    except ValueError as error:
        raise CommandError(_("--covers needs two days, like 2022-06-01..2022-06-30.")) from error
    return first, last
