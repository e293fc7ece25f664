"""Let a loader that tells of other days say when its rows changed; whoever says nothing has the clock's moment."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION keep_versions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := {moment};
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO providers_registerversion (register, row_id, recorded_to)
        SELECT TG_TABLE_NAME, id, moment FROM fresh;
    ELSE
        INSERT INTO providers_registerversion (register, row_id, known, recorded_to)
        SELECT TG_TABLE_NAME, stale.id, said.before, moment FROM stale JOIN fresh USING (id), LATERAL (
            SELECT jsonb_object_agg(one.key, one.value) AS before, jsonb_object_agg(one.key, other.value) AS after
            FROM jsonb_each(to_jsonb(stale)) AS one JOIN jsonb_each(to_jsonb(fresh)) AS other USING (key)
            WHERE one.key = ANY(TG_ARGV)) AS said
        WHERE said.before <> said.after;
    END IF;
    RETURN NULL;
END $$;
"""
FORWARD = FUNCTION.format(
    moment="coalesce(nullif(current_setting('portal.now', true), '')::timestamptz, clock_timestamp())"
)
BACKWARD = FUNCTION.format(moment="clock_timestamp()")


class Migration(migrations.Migration):
    dependencies = [("providers", "0012_register_versions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
