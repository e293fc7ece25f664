"""What a run corrects and for which appeal, frozen with all else of a published run but the step to superseded."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION refuse_published_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a published run cannot be deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status NOT IN ('published', 'superseded') OR (OLD.status = 'superseded' AND NEW.status <> 'superseded')
       OR to_jsonb(NEW) - 'status' <> to_jsonb(OLD) - 'status' THEN
        RAISE EXCEPTION 'a published run is immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
BACKWARD = """
CREATE OR REPLACE FUNCTION refuse_published_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a published run cannot be deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.status NOT IN ('published', 'superseded') OR (OLD.status = 'superseded' AND NEW.status <> 'superseded')
       OR (NEW.kind, NEW.as_of, NEW.rubric_version_id, NEW.cut_off, NEW.input_digest, NEW.rated, NEW.not_rated)
          IS DISTINCT FROM
          (OLD.kind, OLD.as_of, OLD.rubric_version_id, OLD.cut_off, OLD.input_digest, OLD.rated, OLD.not_rated) THEN
        RAISE EXCEPTION 'a published run is immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0010_frozen_rubrics")]
    operations = [
        migrations.AddField(
            "run",
            "contest",
            models.ForeignKey(
                blank=True,
                help_text="Only its provider's inputs are read anew; everybody else keeps those of the corrected run.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="runs",
                to="scoring.contest",
                verbose_name="appeal",
            ),
        ),
        migrations.AddField(
            "run",
            "corrects",
            models.ForeignKey(
                blank=True,
                help_text="The published run of the same day that this one supersedes once it is published.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrections",
                to="scoring.run",
                verbose_name="corrects",
            ),
        ),
        migrations.AddConstraint(
            "run",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(("contest__isnull", True), ("corrects__isnull", True)),
                    models.Q(("corrects__isnull", False), ("kind", "official")),
                    _connector="OR",
                ),
                name="run_corrects_officially",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
