"""Ask once a statement, not once a row, whether scores of a published run would change; a score keeps its place."""

from django.db import migrations

FORWARD = """
DROP TRIGGER scores_frozen ON scoring_score;
CREATE OR REPLACE FUNCTION refuse_published_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM scoring_run
        WHERE id IN (SELECT DISTINCT run_id FROM touched) AND status IN ('published', 'superseded')
    ) THEN
        RAISE EXCEPTION 'the scores of a published run are immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER scores_added_before_publication AFTER INSERT ON scoring_score REFERENCING NEW TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_published_score();
CREATE TRIGGER scores_changed_before_publication AFTER UPDATE ON scoring_score REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_published_score();
CREATE TRIGGER scores_removed_before_publication AFTER DELETE ON scoring_score REFERENCING OLD TABLE AS touched
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_published_score();

CREATE FUNCTION refuse_moved_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a score stays with its run and provider' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER scores_stay BEFORE UPDATE ON scoring_score FOR EACH ROW
    WHEN (OLD.run_id <> NEW.run_id OR OLD.provider_id <> NEW.provider_id) EXECUTE FUNCTION refuse_moved_score();
"""
BACKWARD = """
DROP TRIGGER scores_stay ON scoring_score;
DROP FUNCTION refuse_moved_score();
DROP TRIGGER scores_removed_before_publication ON scoring_score;
DROP TRIGGER scores_changed_before_publication ON scoring_score;
DROP TRIGGER scores_added_before_publication ON scoring_score;
CREATE OR REPLACE FUNCTION refuse_published_score() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM scoring_run
        WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.run_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.run_id END)
          AND status IN ('published', 'superseded')
    ) THEN
        RAISE EXCEPTION 'the scores of a published run are immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER scores_frozen BEFORE INSERT OR UPDATE OR DELETE ON scoring_score
    FOR EACH ROW EXECUTE FUNCTION refuse_published_score();
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0015_run_stability")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
