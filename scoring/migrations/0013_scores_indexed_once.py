"""Index scores once: two of their indexes began with the columns that foreign keys index again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0010_conflicts"),
        ("scoring", "0012_inputs_as_they_are"),
    ]

    operations = [
        migrations.AlterField(
            model_name="score",
            name="provider",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="scores",
                to="providers.provider",
                verbose_name="provider",
            ),
        ),
        migrations.AlterField(
            model_name="score",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="scores",
                to="scoring.run",
                verbose_name="run",
            ),
        ),
    ]
