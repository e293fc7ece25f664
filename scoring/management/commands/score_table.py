"""Score a CSV table with a rubric file; needs no database."""

import csv
import os
import sys
from argparse import ArgumentParser
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from django.core.management.base import BaseCommand
from django.utils import translation

from scoring.core.reader import load
from scoring.core.rubric import Fault, RubricError
from scoring.core.said import said
from scoring.core.table import CellFault, TableError, read_table, score_rows
from scoring.errors import told

REFUSED = 2


class SupportsWrite(Protocol):
    """What csv.writer writes to."""

    def write(self, text: str, /) -> object: ...


class Command(BaseCommand):
    help = "Score the subjects of a CSV table with a rubric; exit code 2 and one line per fault if either is refused."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("rubric", type=Path, metavar="RUBRIC.yaml")
        parser.add_argument("table", type=Path, metavar="TABLE.csv")
        parser.add_argument("--unit", default="unit", metavar="COLUMN", help="the column that names the subjects")
        parser.add_argument("--out", type=Path, metavar="SCORES.csv", help="where to write; standard output by default")
        parser.add_argument("--language", choices=("en", "zh-hans"), default="en", help="of what is refused")

    def handle(
        self, *args: object, rubric: Path, table: Path, unit: str, out: Path | None, language: str, **options: object
    ) -> None:
        try:
            rules = load(rubric.read_bytes())
            inputs = read_table(decoded(table.read_bytes()), rules, unit=unit)
            rows = score_rows(rules, inputs)
            if out is None:
                write(rows, self.stdout)
            else:
                write_file(rows, out)
        except RubricError as error:
            self._refuse(rubric, error.faults, language)
        except TableError as error:
            self._refuse(table, error.faults, language)
        except OSError as error:
            reason = said("this file cannot be read or written ({problem})", problem=error.strerror or error)
            self._refuse(error.filename or table, [CellFault(None, None, reason)], language)

    def _refuse(self, path: Path | str, faults: Iterable[Fault | CellFault], language: str) -> None:
        with translation.override(language):
            for fault in faults:
                self.stderr.write(f"{path}: {told(fault.sentence())}")
        sys.exit(REFUSED)


def decoded(table: bytes) -> Iterator[str]:
    """Decode line by line, so that what is not UTF-8 is found where it stands."""
    for line in table.removeprefix(BOM_UTF8).splitlines(keepends=True):
        yield line.decode()


def write(rows: Iterable[Sequence[str]], file: SupportsWrite) -> None:
    """Write rows as CSV."""
    csv.writer(file, lineterminator="\n").writerows(rows)


def write_file(rows: Iterable[Sequence[str]], path: Path) -> None:
    """Write a whole file or none."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            write(rows, file)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        part.unlink(missing_ok=True)
