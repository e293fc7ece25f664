"""Freeze the whole row of a published run: who reviewed it, what they noted, when it was computed."""

from django.db import migrations

CHECK = """
CREATE OR REPLACE FUNCTION refuse_published_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a published run cannot be deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status NOT IN ('published', 'superseded') OR (OLD.status = 'superseded' AND NEW.status <> 'superseded')
       OR {changed} THEN
        RAISE EXCEPTION 'a published run is immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
FORWARD = CHECK.format(changed="to_jsonb(NEW) - 'status' <> to_jsonb(OLD) - 'status'")
BACKWARD = CHECK.format(
    changed="(NEW.kind, NEW.as_of, NEW.rubric_version_id, NEW.cut_off, NEW.input_digest, NEW.rated, NEW.not_rated)"
    " IS DISTINCT FROM"
    " (OLD.kind, OLD.as_of, OLD.rubric_version_id, OLD.cut_off, OLD.input_digest, OLD.rated, OLD.not_rated)"
)


class Migration(migrations.Migration):
    dependencies = [("scoring", "0006_provider_day_view")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
