"""Find the facts of one subject without reading everybody's: a second key per fact table, and a sum without numerics.

The key with the day first serves ingest, which knows the days it changes; the roll-up knows the subjects. Rows sold
through rooms are found by either side. ``whole_sum`` adds bigints as bigints and fails where they overflow; the
built-in sum makes a numeric of each total.
"""

from django.db import migrations

from providers.measures import catalogue
from providers.models.facts import key_columns


def _keys():
    """Yield (table, name, rest of the index's definition)."""
    for feed, subject in catalogue().fact_feeds():
        table = f"fact_{feed}_{subject}"
        yield table, f"{table}_by_subject", f"({subject}_id, day)"
        if subject == "merchant" and "streamer_id" in key_columns(feed, subject):
            yield table, f"{table}_by_room", "(streamer_id, day) WHERE streamer_id <> 0"
            yield table, f"{table}_in_rooms", "(merchant_id, day) WHERE streamer_id <> 0"


def index(apps, schema_editor):
    """Add the keys; every month's table has them from its own start on."""
    for table, name, definition in _keys():
        schema_editor.execute(f'CREATE INDEX "{name}" ON "{table}" {definition}')
    schema_editor.execute(
        "CREATE AGGREGATE whole_sum (bigint) (sfunc = int8pl, stype = bigint, initcond = '0', combinefunc = int8pl,"
        " parallel = safe)"
    )


def drop(apps, schema_editor):
    """Take them away."""
    schema_editor.execute("DROP AGGREGATE whole_sum (bigint)")
    for _, name, _ in _keys():
        schema_editor.execute(f'DROP INDEX "{name}"')


class Migration(migrations.Migration):
    dependencies = [("providers", "0008_binding_shares")]
    operations = [migrations.RunPython(index, drop)]
