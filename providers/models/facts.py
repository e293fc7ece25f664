"""Fact tables, generated from the measure catalogue: one per feed and kind of subject.

Wide rows of nullable bigints (NULL: the batch did not carry the measure), keyed with the day first, partitioned by
month (migration ``partition_facts``). A table per feed lets every row keep its one batch, although feeds arrive apart
(docs/decisions/0003-one-fact-table-per-feed.md). Subjects are plain ids: ingest proves them, and a foreign key here
would cost every COPY a look-up per row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models

from providers.measures import Subject, catalogue

if TYPE_CHECKING:
    from providers.measures import Measure


class FactTable(models.Model):
    """What every fact row has: its day, its subject (subclasses), its batch."""

    day = models.DateField()
    batch_id = models.BigIntegerField()

    measures: ClassVar[tuple[Measure, ...]]
    feed: ClassVar[str]
    subject: ClassVar[Subject]

    class Meta:
        abstract = True


def key_columns(feed: str, subject: Subject) -> tuple[str, ...]:
    """Return the key of a fact table; rows by streamer name the selling room, 0 where there is none."""
    by_streamer = any(measure.by_streamer for measure in catalogue().delivered(feed, subject))
    return ("day", f"{subject}_id", *(["streamer_id"] if by_streamer else []))


def _columns(feed: str, subject: Subject) -> dict[str, models.Field[Any, Any]]:
    """Return the fields of a table: subject ids first, then the measures in catalogue order."""
    columns: dict[str, models.Field[Any, Any]] = {
        name: models.BigIntegerField(default=0)
        if name == "streamer_id" and subject != "streamer"
        else models.BigIntegerField()
        for name in key_columns(feed, subject)[1:]
    }
    for measure in catalogue().delivered(feed, subject):
        columns[measure.code] = models.BigIntegerField(measure.name_en, null=True)
    return columns


def _fact_table(feed: str, subject: Subject) -> type[FactTable]:
    key = key_columns(feed, subject)
    meta = type("Meta", (), {"db_table": f"fact_{feed}_{subject}", "verbose_name": f"{feed} facts by {subject}"})
    return type(
        f"{feed.title().replace('_', '')}{subject.title()}Fact",
        (FactTable,),
        {
            "__module__": __name__,
            "__doc__": f"Facts of the {feed} feed per {subject} and day.",
            "pk": models.CompositePrimaryKey(*key),
            "Meta": meta,
            "measures": catalogue().delivered(feed, subject),
            "feed": feed,
            "subject": subject,
            **_columns(feed, subject),
        },
    )


def _history_table(feed: str, subject: Subject) -> type[FactTable]:
    """Superseded versions: the row as it was, and the batch that replaced it."""
    meta = type(
        "Meta",
        (),
        {
            "db_table": f"fact_{feed}_{subject}_history",
            "verbose_name": f"superseded {feed} facts by {subject}",
            "indexes": [
                models.Index(name=f"{feed[:8]}_{subject[:8]}_hist_by", fields=["superseded_by"]),
                models.Index(name=f"{feed[:8]}_{subject[:8]}_hist_of", fields=["batch_id"]),
            ],
        },
    )
    return type(
        f"{feed.title().replace('_', '')}{subject.title()}FactHistory",
        (FactTable,),
        {
            "__module__": __name__,
            "__doc__": f"Superseded facts of the {feed} feed per {subject} and day.",
            "id": models.BigAutoField(primary_key=True),
            "superseded_by": models.BigIntegerField(),
            "recorded_to": models.DateTimeField(),
            "Meta": meta,
            "measures": catalogue().delivered(feed, subject),
            "feed": feed,
            "subject": subject,
            **_columns(feed, subject),
        },
    )


FACTS: dict[tuple[str, Subject], type[FactTable]] = {
    (feed, subject): _fact_table(feed, subject) for feed, subject in catalogue().fact_feeds()
}
HISTORY: dict[tuple[str, Subject], type[FactTable]] = {
    (feed, subject): _history_table(feed, subject) for feed, subject in catalogue().fact_feeds()
}
