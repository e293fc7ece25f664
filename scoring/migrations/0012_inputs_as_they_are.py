"""Keep run inputs as they are: PostgreSQL packs two megabytes of them a second, to a third of their size."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("scoring", "0011_appeal_runs")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE scoring_runinput ALTER COLUMN content SET STORAGE EXTERNAL",
            "ALTER TABLE scoring_runinput ALTER COLUMN content SET STORAGE EXTENDED",
        )
    ]
