"""Turn the fact tables into tables partitioned by month of the day; partitions come with the first batch of a month.

Django cannot declare partitions, so each generated table is replaced by a partitioned twin of the same columns.
"""

from django.db import migrations

from providers.measures import catalogue


def _tables() -> list[str]:
    return [f"fact_{feed}_{subject}" for feed, subject in catalogue().fact_feeds()]


def partition(apps, schema_editor):
    """Replace each plain table by a partitioned one."""
    for table in _tables():
        schema_editor.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_plain"')
        schema_editor.execute(f'ALTER INDEX "{table}_pkey" RENAME TO "{table}_plain_pkey"')
        schema_editor.execute(
            f'CREATE TABLE "{table}" (LIKE "{table}_plain" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)'
            " PARTITION BY RANGE (day)"
        )
        schema_editor.execute(f'DROP TABLE "{table}_plain"')


def unpartition(apps, schema_editor):
    """Put plain tables back, with their rows."""
    for table in _tables():
        schema_editor.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_parts"')
        schema_editor.execute(f'ALTER INDEX "{table}_pkey" RENAME TO "{table}_parts_pkey"')
        schema_editor.execute(
            f'CREATE TABLE "{table}" (LIKE "{table}_parts" INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)'
        )
        schema_editor.execute(f'INSERT INTO "{table}" SELECT * FROM "{table}_parts"')
        schema_editor.execute(f'DROP TABLE "{table}_parts"')


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]
    operations = [migrations.RunPython(partition, unpartition)]
