"""Make the table of the shared cache."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ecosystem", "0002_audit_insert_only")]

    operations = [
        migrations.RunSQL(
            sql="""
                CREATE TABLE portal_cache (
                    cache_key varchar(255) PRIMARY KEY,
                    value text NOT NULL,
                    expires timestamptz NOT NULL
                );
                CREATE INDEX portal_cache_expires ON portal_cache (expires);
            """,
            reverse_sql="DROP TABLE portal_cache;",
        )
    ]
