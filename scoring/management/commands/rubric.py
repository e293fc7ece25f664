"""Rubrics from the command line: import, export, diff and validate."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand
from django.utils import translation

from scoring.core import reader
from scoring.core.difference import differences
from scoring.core.rubric import Rubric
from scoring.dry_run import DryRun, dry_run
from scoring.errors import RubricInvalid
from scoring.models import RubricVersion
from scoring.steps.rubrics import checked, import_rubric

REFUSED = 2
NAMED = "RUBRIC/VERSION, or VERSION alone where it is the only one"


class Command(BaseCommand):
    help = "Import, export, compare and validate rubrics; exit code 2 and one line per fault where one is refused."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        bring = verbs.add_parser("import", help="keep a file as a draft")
        bring.add_argument("file", type=Path, metavar="RUBRIC.yaml")
        export = verbs.add_parser("export", help="write a version as it was imported")
        export.add_argument("version", metavar="VERSION", help=NAMED)
        export.add_argument("--out", type=Path, metavar="RUBRIC.yaml", help="standard output by default")
        compare = verbs.add_parser("diff", help="say what two rubrics say differently, by code and field")
        compare.add_argument("before", metavar="BEFORE", help=f"a file; or {NAMED}")
        compare.add_argument("after", metavar="AFTER", help=f"a file; or {NAMED}")
        check = verbs.add_parser("validate", help="check a rubric and try it on the latest run, keeping nothing")
        check.add_argument("rubric", metavar="RUBRIC", help=f"a file; or {NAMED}")

    @translation.override("en")
    def handle(self, *args: object, verb: str, **options: object) -> None:
        try:
            match verb:
                case "import":
                    version = import_rubric(self._text(str(options["file"])), actor=None)
                    self.stdout.write(f"{version}: {version.get_status_display()}, {version.digest}")
                case "export":
                    self._export(str(options["version"]), options["out"])
                case "diff":
                    before, after = (self._loaded(str(options[side])) for side in ("before", "after"))
                    for line in differences(before, after):
                        self.stdout.write(str(line))
                case "validate":
                    self._validate(str(options["rubric"]))
        except RubricInvalid as refusal:
            self._refuse(str(refusal).splitlines())
        except (LookupError, OSError, UnicodeDecodeError) as error:
            self._refuse([str(error.args[-1] if isinstance(error, LookupError) else error)])

    def _export(self, named: str, out: object) -> None:
        body = self._version(named).body
        if isinstance(out, Path):
            out.write_text(body, encoding="utf-8")
        else:
            self.stdout.write(body, ending="")

    def _validate(self, named: str) -> None:
        rubric = checked(self._text(named))
        found = dry_run(rubric)
        if found is None:
            self.stdout.write("The rubric loads. Nothing has been scored yet, so it was tried on nothing.")
            return
        for line in report(found):
            self.stdout.write(line)

    def _loaded(self, named: str) -> Rubric:
        """Load a file against today's catalogue, a kept version as it was kept."""
        return checked(self._text(named)) if Path(named).is_file() else reader.load(self._version(named).body)

    def _text(self, named: str) -> str:
        return Path(named).read_text(encoding="utf-8-sig") if Path(named).is_file() else self._version(named).body

    def _version(self, named: str) -> RubricVersion:
        rubric, _, version = named.rpartition("/")
        found = RubricVersion.objects.filter(version=version)
        rows = list((found.filter(rubric=rubric) if rubric else found).order_by("pk"))
        if len(rows) == 1:
            return rows[0]
        known = ", ".join(f"{row.rubric}/{row.version}" for row in RubricVersion.objects.order_by("pk"))
        raise LookupError(f"there are {len(rows)} rubrics '{named}', neither is it a file; known: {known or 'none'}")

    def _refuse(self, lines: list[str]) -> None:
        for line in lines:
            self.stderr.write(line)
        sys.exit(REFUSED)


def report(found: DryRun) -> list[str]:
    """Lay a dry run out as lines: one per indicator, tab-separated, then what it would give."""
    lines = [f"tried on {found.run} ({found.run.input_digest[:16]})"]
    lines.append("\t".join(("indicator", "known", "minimum", "median", "maximum", "missing %", "clamped %", "")))
    for reading in found.readings:
        values = [
            "—" if value is None else f"{value:f}" for value in (reading.minimum, reading.median, reading.maximum)
        ]
        never = "" if reading.varies else "never varies"
        shares = [f"{reading.missing:f}", f"{reading.clamped:f}"]
        lines.append("\t".join((reading.code, str(reading.known), *values, *shares, never)).rstrip())
    lines.append(f"rated {found.rated}, not rated {found.not_rated}, blocked by a gate {found.blocked}")
    lines.append(", ".join(f"{code} {count}" for code, count in found.grades))
    if found.added:
        lines.append(f"measured as known now, not frozen with the run: {', '.join(found.added)}")
    if found.unavailable:
        lines.append(f"known of nobody: {', '.join(found.unavailable)}")
    return lines
