"""Let one index keep a provider's scores unique and in order: scores of a run are found by their rank."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scoring", "0016_scores_frozen_at_once")]

    operations = [
        migrations.RemoveConstraint(model_name="score", name="score_once_per_run"),
        migrations.RemoveIndex(model_name="score", name="score_history"),
        migrations.AddConstraint(
            model_name="score",
            constraint=models.UniqueConstraint(fields=("provider", "run"), name="score_once_per_run"),
        ),
    ]
