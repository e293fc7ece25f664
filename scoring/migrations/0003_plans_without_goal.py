"""Rank standings, and let a plan's promise stand without a number."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0002_frozen_rows"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="plantarget",
            name="plantarget_has_goal",
        ),
        migrations.AddField(
            model_name="standing",
            name="rank",
            field=models.PositiveIntegerField(
                default=1, help_text="By value; equal values share a rank.", verbose_name="rank"
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="budgetpool",
            name="paid",
            field=models.BigIntegerField(
                default=0, help_text="Net of what was clawed back.", verbose_name="paid or used"
            ),
        ),
        migrations.AlterField(
            model_name="progress",
            name="gap",
            field=models.BigIntegerField(
                blank=True,
                help_text="To the target or left under the cap; none without either.",
                null=True,
                verbose_name="missing",
            ),
        ),
        migrations.AddConstraint(
            model_name="plantarget",
            constraint=models.CheckConstraint(
                condition=models.Q(("target__isnull", True), ("cap__isnull", True), _connector="OR"),
                name="plantarget_one_goal",
            ),
        ),
    ]
