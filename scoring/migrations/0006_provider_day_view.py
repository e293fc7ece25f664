"""Show the days themselves: provider_day is the difference of neighbouring totals. Leave room for rewritten totals."""

from django.db import migrations

VIEW = """
CREATE VIEW provider_day AS
SELECT total.day, total.provider_id, {differences}
FROM provider_cum total
LEFT JOIN provider_cum before ON before.provider_id = total.provider_id AND before.day = total.day - 1
"""


def create(apps, schema_editor):
    """Build the view from the columns the totals have now."""
    model = apps.get_model("scoring", "ProviderDay")
    columns = [field.column for field in model._meta.concrete_fields if field.column not in {"day", "provider_id"}]
    quote = schema_editor.quote_name
    differences = ", ".join(
        f"total.{quote(column)} - coalesce(before.{quote(column)}, 0) AS {quote(column)}"
        for column in columns
        if column
    )
    schema_editor.execute(VIEW.format(differences=differences))
    schema_editor.execute("ALTER TABLE provider_cum SET (fillfactor = 85)")
    schema_editor.execute("ALTER TABLE provider_stock SET (fillfactor = 90)")


def drop(apps, schema_editor):
    """Take the view away."""
    schema_editor.execute("DROP VIEW provider_day")
    schema_editor.execute("ALTER TABLE provider_cum RESET (fillfactor)")
    schema_editor.execute("ALTER TABLE provider_stock RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("scoring", "0005_rolled_days")]
    operations = [migrations.RunPython(create, drop)]
