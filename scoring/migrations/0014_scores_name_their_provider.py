"""Keep beside each score what its provider is called, so that a page of ranks is a page or two of one table."""

from django.db import migrations, models

from ecosystem.migrating import Together

# Published rows are frozen: here only a copy of what they point at is laid beside them.
CALLED = """
ALTER TABLE scoring_score DISABLE TRIGGER scores_frozen;
UPDATE scoring_score SET provider_code = provider.code, provider_name = provider.name,
    provider_category = provider.category
FROM providers_provider AS provider WHERE provider.id = provider_id;
ALTER TABLE scoring_score ENABLE TRIGGER scores_frozen;
"""


class Migration(Together):
    dependencies = [
        ("providers", "0010_conflicts"),
        ("scoring", "0013_scores_indexed_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="score",
            name="provider_category",
            field=models.CharField(
                choices=[
                    ("LOCAL_MERCHANT", "Local merchant provider"),
                    ("BRAND", "Brand service provider"),
                    ("MCN", "MCN"),
                    ("BELT", "Industrial-belt provider"),
                    ("SUPPLY", "Supply-chain provider"),
                    ("TRAINING", "Training provider"),
                ],
                default="",
                max_length=20,
                verbose_name="provider category",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="score",
            name="provider_code",
            field=models.CharField(default="", max_length=40, verbose_name="code"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="score",
            name="provider_name",
            field=models.CharField(default="", max_length=120, verbose_name="name"),
            preserve_default=False,
        ),
        migrations.RunSQL(CALLED, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="score",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("provider_code", ""), _negated=True), models.Q(("provider_category", ""), _negated=True)
                ),
                name="score_names_its_provider",
            ),
        ),
    ]
