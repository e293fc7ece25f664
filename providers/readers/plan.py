"""How one fact file is read: which layout, which columns from where, which checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from providers.readers.columns import match
from providers.readers.faults import Faults, UnreadableFile
from providers.readers.fields import Codes

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf
    from collections.abc import Sequence
    from datetime import date

    from providers.readers.checks import RowCheck
    from providers.readers.columns import Column, Found, Layout
    from providers.readers.mapping import Mapping


@dataclass(frozen=True, slots=True)
class FactRules:
    """What the rows are held against: the layouts by subject, the registers, the checks, the newest day possible."""

    layouts: MappingOf[str, Layout]
    registers: MappingOf[str, Codes]
    row_checks: Sequence[RowCheck]
    states: frozenset[str]
    today: date


@dataclass(frozen=True, slots=True)
class Plan:
    """One file's columns: where ours come from, which measures it delivers, what decides whether a row counts."""

    rules: FactRules
    mapping: Mapping
    header: Sequence[str]
    layout: Layout
    found: Found
    delivered: Sequence[Column]
    checks: Sequence[RowCheck]
    filters: MappingOf[int, Codes]

    @classmethod
    def of(cls, header: Sequence[str], rules: FactRules, mapping: Mapping, faults: Faults) -> Plan:
        """Meet the header with the feed; what does not fit becomes a fault of line 1."""
        layout = _choose(rules, {*header, *mapping.columns, *mapping.constants})
        found = match(header, layout, mapping, faults)
        delivered = [column for column in layout.columns if column.kind == "integer" and column.name in found.at]
        if not delivered and not faults:
            faults.add(1, "", "", _("The file delivers no measure of this feed."))
        for name in found.constants:
            if layout[name].kind == "integer":
                faults.add(1, name, "", _("A measure cannot be a constant."))
        names = {column.name for column in delivered}
        return cls(
            rules,
            mapping,
            header,
            layout,
            found,
            delivered,
            [check for check in rules.row_checks if check.applies_to(names)],
            {
                header.index(name): Codes.of(dict.fromkeys(values, 1))
                for name, values in mapping.kept.items()
                if name in header
            },
        )


def _choose(rules: FactRules, names: set[str]) -> Layout:
    """Pick the kind of subject the rows are about."""
    layouts = rules.layouts
    named = [subject for subject in layouts if subject in names]
    if len(named) == 1 or len(layouts) == 1:
        return layouts[named[0] if named else next(iter(layouts))]
    choices = ", ".join(layouts)
    reason = (
        _("Rows of this feed are about one of: %(choices)s. The file names several.")
        if named
        else _("Rows of this feed are about one of: %(choices)s. The file names none.")
    )
    raise UnreadableFile(reason % {"choices": choices}, row=1)
