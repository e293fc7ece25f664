"""Read a fact file: whole columns at a time, every row checked, everything wrong named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from providers.readers.exact import Exact
from providers.readers.faults import Faults, UnreadableFile
from providers.readers.fields import as_date
from providers.readers.kinds import open_rows
from providers.readers.lines import MOST_ROWS
from providers.readers.plan import FactRules, Plan
from providers.readers.quick import Quick
from providers.readers.rows import FactRows, join_rows
from providers.readers.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from providers.readers.kinds import Rows
    from providers.readers.lines import Chunk
    from providers.readers.mapping import Mapping


@dataclass(frozen=True, slots=True)
class FactFile:
    """What came of a file: its rows, or the faults for which none of them counts; and its digest either way."""

    rows: FactRows | None
    row_count: int
    faults: Faults
    digest: str


class FactReader:
    """A fact file, part by part. Its faults are complete once ``parts`` is exhausted, and so is its digest."""

    def __init__(self, content: BinaryIO, rules: FactRules, mapping: Mapping) -> None:
        self.faults = Faults()
        self.row_count = 0
        self.plan: Plan | None = None
        self._source: Source | None = None
        self._rows: Rows | None = None
        try:
            self._source = Source(content, mapping.encoding)
            self._rows = open_rows(self._source)
            self.plan = Plan.of(self._rows.header, rules, mapping, self.faults)
        except UnreadableFile as error:
            self._note(error)

    def _note(self, error: UnreadableFile) -> None:
        fault = error.fault
        self.faults.add(fault.row, fault.column, fault.found, fault.reason)

    @property
    def subject(self) -> str:
        """The kind of subject the rows are about; empty where the header does not tell."""
        return self.plan.layout.subject if self.plan else ""

    @property
    def measures(self) -> list[str]:
        """The measures delivered."""
        return [column.name for column in self.plan.delivered] if self.plan else []

    def digest(self) -> str:
        """Return the SHA-256 of the unpacked content read so far."""
        return self._source.digest() if self._source else ""

    def parts(self) -> Iterator[FactRows]:
        """Yield the rows in parts, in file order; after a fault only faults are looked for."""
        if self.plan is None or self._rows is None or self.faults:
            return
        exact = Exact(self.plan, self.faults)
        if self.faults:
            return
        quick = Quick(self.plan)
        kept = 0
        try:
            for chunk in self._rows.chunks():
                for rows in self._chunk(chunk, quick, exact):
                    kept += len(rows)
                    yield rows
        except UnreadableFile as error:
            self._note(error)
        if not kept and not self.faults:
            self.faults.add(0, "", "", _("The file has no rows."))

    def _chunk(self, chunk: Chunk, quick: Quick, exact: Exact) -> Iterator[FactRows]:
        rows = quick.rows(chunk)
        if rows is not None:
            self._count(len(rows))
            yield rows
            return
        for block in chunk.cut(self.faults):
            self._count(len(block.lines))
            rows = exact.rows(block)
            if rows is not None and not self.faults:
                yield rows

    def _count(self, rows: int) -> None:
        self.row_count += rows
        if self.row_count > MOST_ROWS:
            raise UnreadableFile(_("The file has more than %(most)s rows. Send it in parts.") % {"most": MOST_ROWS})


def read_facts(content: BinaryIO, rules: FactRules, mapping: Mapping) -> FactFile:
    """Read and check a whole file, keys that stand twice included; nothing of it is written anywhere."""
    reader = FactReader(content, rules, mapping)
    parts = list(reader.parts())
    rows = None
    if not reader.faults:
        rows = join_rows(parts).sorted()
        name_doubles(rows, reader.faults)
    return FactFile(None if reader.faults else rows, reader.row_count, reader.faults, reader.digest())


def name_doubles(rows: FactRows, faults: Faults) -> None:
    """Add a fault for every row whose key stands in an earlier line too; the rows are sorted."""
    for at in rows.doubled().tolist():
        one, other = sorted((int(rows.lines[at - 1]), int(rows.lines[at])))
        faults.add(
            other,
            ", ".join(rows.keys),
            str(as_date(int(rows.keys["day"][at]))),
            _("The same key stands in line %(line)s.") % {"line": one},
        )
