"""Running totals of the order outcomes: cancelled, delivered, delivered late."""

from django.db import migrations, models


def _total(name):
    return models.BigIntegerField(db_default=0, default=0, verbose_name=name)


class Migration(migrations.Migration):
    dependencies = [("scoring", "0003_plans_without_goal")]
    operations = [
        migrations.AddField("providercum", "cancelled_orders", _total("Cancelled orders")),
        migrations.AddField("providercum", "delivered_orders", _total("Delivered orders")),
        migrations.AddField("providercum", "late_orders", _total("Orders delivered late")),
    ]
