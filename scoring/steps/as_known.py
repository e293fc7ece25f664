"""What one provider's windows would hold in worlds between two scores: other days, bindings or facts as known before.

Each world is rolled up by the same code as the real one. Inside a transaction that is always rolled back, temporary
relations stand in front of the tables of the same name, holding only what reaches the provider; nothing is written.
How facts, bindings and registers are found as they were known is told in ``known/``. A world's causes: with ``data``
the window is the later one, with ``bindings`` those of the later score hold, with ``restatements`` facts and registers
about days before the earlier score are as the later one knew them.

Without ``bindings``, whoever was bound when the earlier score was made stays bound as long as they really did, and
nobody is added: facts of a merchant that left belong to others and are never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

import numpy as np

from scoring.core.formula import Operand
from scoring.core.inputs import Inputs
from scoring.steps.known import bindings, facts, registers
from scoring.steps.known.aside import Moment, Relations, aside
from scoring.steps.roll_up import rebuild
from scoring.steps.room_months import delivered_months, refresh
from scoring.steps.windows import Known, window_table

DATA, BINDINGS, RESTATEMENTS = "data", "bindings", "restatements"
ROLLED = ("provider_cum", "provider_stock", "provider_person_cum")

type Worlds = Mapping[frozenset[str], Inputs]

# Whether benchmarks were frozen after a moment, or something about the provider waits to be rolled up.
_LEARNT_SINCE = """
SELECT EXISTS (SELECT FROM scoring_benchmark WHERE frozen_at > %(cut_off)s)
    OR EXISTS (SELECT FROM ecosystem_workmark WHERE kind IN ('beside', 'room_month')
        OR kind = 'roll_up' AND scope = %(provider)s::text)
"""
_VIEW = "CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {source}"
# Rows of registers with their key, which queries look up and group by.
_ROWS = (
    "DROP TABLE IF EXISTS pg_temp.{name}; CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT * FROM {source};"
    " ALTER TABLE pg_temp.{name} ADD PRIMARY KEY (id)"
)
_EMPTY = "CREATE TEMP TABLE {name} (LIKE {schema}.{name} INCLUDING DEFAULTS INCLUDING INDEXES) ON COMMIT DROP"


def worlds(provider_id: int, operands: Iterable[Operand], before: Moment, after: Moment) -> Worlds:
    """Return the provider's window values for every set of the three causes; ``before`` is not after ``after``.

    Sets that differ only by a cause that changed nothing share their values.
    """
    wanted = sorted(set(operands))
    found: dict[frozenset[str], Inputs] = {}
    with aside():
        stage = _Stage.filled(Relations.about(provider_id, before, after))
        rolled: dict[frozenset[str], tuple[Inputs, Inputs]] = {}
        known: dict[bool, Known] = {}  # what was delivered, by whether the restatements happened
        for happened in sorted(_subsets((BINDINGS, RESTATEMENTS)), key=len, reverse=True):
            same = happened - stage.idle
            if same not in rolled:
                if rolled or not stage.stands:
                    stage.show(same)
                    rebuild(np.array([provider_id], dtype=np.int64))
                knows = RESTATEMENTS in same
                known[knows] = known[knows].rebound() if knows in known else Known.load([provider_id])
                rolled[same] = (
                    window_table(wanted, as_of=before.as_of, providers=[provider_id], known=known[knows]),
                    window_table(wanted, as_of=after.as_of, providers=[provider_id], known=known[knows]),
                )
            found[happened], found[happened | {DATA}] = rolled[same]
    return found


def _subsets(causes: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for size in range(len(causes) + 1):
        yield from map(frozenset, combinations(causes, size))


@dataclass(slots=True)
class _Stage:
    """What lies aside, and the worlds it can show.

    idle: causes that changed nothing; stands: the later score knew all that the portal knows and has rolled up.
    """

    relations: Relations
    laid: facts.Laid
    registers: tuple[str, ...]
    idle: frozenset[str]
    stands: bool
    shown: set[str] = field(default_factory=set)

    @classmethod
    def filled(cls, relations: Relations) -> _Stage:
        """Lay aside what the scores knew otherwise than the tables say; note the causes that changed nothing."""
        bound, bound_since = bindings.lay_aside(relations)
        laid, registered = facts.lay_aside(relations), registers.lay_aside(relations)
        restated = laid.restated or registered.restated
        idle = frozenset(cause for cause, moved in ((BINDINGS, bound), (RESTATEMENTS, restated)) if not moved)
        learnt = relations.true(_LEARNT_SINCE, **relations.parameters(relations.after))
        stands = not (laid.late or bound_since or registered.changed_since or learnt)
        return cls(relations, laid, registered.tables, idle, stands)

    def show(self, happened: frozenset[str]) -> None:
        """Put the relations of a world in front of the tables."""
        made = self.relations.made
        knows = "now" if RESTATEMENTS in happened or RESTATEMENTS in self.idle else "then"
        self.relations.run(
            *(made(_VIEW, name=name, source=f"{name}_{knows}") for name in facts.TABLES),
            *(made(_ROWS, name=name, source=f"{name}_{knows}") for name in self.registers),
        )
        if knows not in self.shown:
            self._room_months(knows)
        bound = "bindings_now" if BINDINGS in happened else "bindings_then"
        self.relations.run(
            made(_VIEW, name="providers_binding", source=bound),
            made(_VIEW, name="room_month", source=f"room_month_{knows}"),
            *(made("DELETE FROM pg_temp.{name}" if self.shown else _EMPTY, name=name) for name in ROLLED),
        )
        self.shown.add(knows)

    def _room_months(self, knows: str) -> None:
        """Lay the months of rooms aside: as they stand, or refreshed where facts about rooms were known otherwise."""
        aside_name = f"room_month_{knows}"
        made = self.relations.made
        if not self.laid.rooms_differ(knows):
            self.relations.run(facts.stands(self.relations, aside_name, "room_month", day="month"))
            return
        self.relations.run(made("DROP VIEW IF EXISTS pg_temp.room_month"), made(_EMPTY, name="room_month"))
        refresh(date.fromisoformat(f"{month}-01") for month in delivered_months())
        self.relations.run(made("ALTER TABLE pg_temp.room_month RENAME TO {aside}", aside=aside_name))
