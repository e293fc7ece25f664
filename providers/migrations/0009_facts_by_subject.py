"""Find the facts of one subject without reading everybody's: a second key per fact table, and a sum without numerics.

The key with the day first serves ingest, which knows the days it changes; the roll-up knows the subjects. Rows by room
are found by the room where there is one. ``whole_sum`` adds bigints as bigints and fails where they overflow; the
built-in sum makes a numeric of each total.
"""

from django.db import migrations

from providers.measures import catalogue
from providers.models.facts import key_columns


def index(apps, schema_editor):
    """Add the keys; every month's table has them from its own start on."""
    for feed, subject in catalogue().fact_feeds():
        table = f"fact_{feed}_{subject}"
        by_room = subject == "merchant" and "streamer_id" in key_columns(feed, subject)
        columns = "merchant_id, streamer_id, day" if by_room else f"{subject}_id, day"
        schema_editor.execute(f'CREATE INDEX "{table}_by_subject" ON "{table}" ({columns})')
        if by_room:
            schema_editor.execute(
                f'CREATE INDEX "{table}_by_room" ON "{table}" (streamer_id, day) WHERE streamer_id <> 0'
            )
    schema_editor.execute(
        "CREATE AGGREGATE whole_sum (bigint) (sfunc = int8pl, stype = bigint, initcond = '0', combinefunc = int8pl,"
        " parallel = safe)"
    )


def drop(apps, schema_editor):
    """Take them away."""
    schema_editor.execute("DROP AGGREGATE whole_sum (bigint)")
    for feed, subject in catalogue().fact_feeds():
        table = f"fact_{feed}_{subject}"
        schema_editor.execute(f'DROP INDEX IF EXISTS "{table}_by_room"')
        schema_editor.execute(f'DROP INDEX "{table}_by_subject"')


class Migration(migrations.Migration):
    dependencies = [("providers", "0008_binding_shares")]
    operations = [migrations.RunPython(index, drop)]
