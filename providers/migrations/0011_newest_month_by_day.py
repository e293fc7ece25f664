"""Take the second key from each fact table's newest month: its entries cost more than the rows they lead to.

The months before it keep theirs, and a month is given one when the next begins (``providers/partitions.py``). Keys of
single months stand beside the tables, because what a partitioned table is keyed by every month has from its start on.
"""

from django.db import migrations

from providers.measures import catalogue
from providers.models.facts import key_columns
from providers.partitions import key_by_subject


def _tables():
    """Yield (table, name of its subject, whether its rows name the selling room)."""
    for feed, subject in catalogue().fact_feeds():
        yield f"fact_{feed}_{subject}", subject, "streamer_id" in key_columns(feed, subject)[2:]


def by_month(apps, schema_editor):
    """Drop the keys of all months, and make those of the months before the newest again."""
    for table, _, by_room in _tables():
        schema_editor.execute(f'DROP INDEX "{table}_by_subject"')
        if by_room:
            schema_editor.execute(f'DROP INDEX "{table}_in_rooms"')
        key_by_subject(table)


def together(apps, schema_editor):
    """Key every month by subject, the newest as well."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('DROP INDEX %I', key.relname) FROM pg_index JOIN pg_class key ON key.oid = indexrelid"
            " JOIN pg_class month ON month.oid = indrelid WHERE month.relispartition AND month.relname LIKE 'fact%'"
            " AND (key.relname = month.relname || '_by_subject' OR key.relname = month.relname || '_in_rooms')"
        )
        drops = [statement for (statement,) in cursor.fetchall()]
    for statement in drops:
        schema_editor.execute(statement)
    for table, subject, by_room in _tables():
        schema_editor.execute(f'CREATE INDEX "{table}_by_subject" ON "{table}" ({subject}_id, day)')
        if by_room:
            schema_editor.execute(
                f'CREATE INDEX "{table}_in_rooms" ON "{table}" (merchant_id, day) WHERE streamer_id <> 0'
            )


class Migration(migrations.Migration):
    dependencies = [("providers", "0010_conflicts")]
    operations = [migrations.RunPython(by_month, together)]
