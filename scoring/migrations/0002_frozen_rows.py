"""Refuse in the database what must never happen: changed published numbers, changed rubrics, unbalanced postings."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION refuse_published_score() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION refuse_published_input() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM scoring_run WHERE id = OLD.run_id AND status IN ('published', 'superseded')) THEN
        RAISE EXCEPTION 'the inputs of a published run are immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER inputs_frozen BEFORE UPDATE OR DELETE ON scoring_runinput
    FOR EACH ROW EXECUTE FUNCTION refuse_published_input();

CREATE FUNCTION refuse_published_run() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER runs_frozen BEFORE UPDATE OR DELETE ON scoring_run
    FOR EACH ROW WHEN (OLD.status IN ('published', 'superseded')) EXECUTE FUNCTION refuse_published_run();

CREATE TRIGGER publications_insert_only BEFORE UPDATE OR DELETE ON scoring_publication
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION refuse_published_rubric() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.status NOT IN ('published', 'retired')
       OR (NEW.rubric, NEW.version, NEW.body, NEW.digest) IS DISTINCT FROM (OLD.rubric, OLD.version, OLD.body, OLD.digest)
    THEN
        RAISE EXCEPTION 'a published rubric version is immutable' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rubric_frozen BEFORE UPDATE OR DELETE ON scoring_rubricversion
    FOR EACH ROW WHEN (OLD.status IN ('published', 'retired')) EXECUTE FUNCTION refuse_published_rubric();

CREATE FUNCTION refuse_unbalanced_posting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount) FROM scoring_entry WHERE posting = NEW.posting) <> 0
       OR (SELECT count(DISTINCT pool_id) FROM scoring_entry WHERE posting = NEW.posting) <> 1 THEN
        RAISE EXCEPTION 'posting % does not balance within one pool', NEW.posting USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON scoring_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_posting();
CREATE TRIGGER entries_insert_only BEFORE UPDATE OR DELETE ON scoring_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER benchmarks_insert_only BEFORE UPDATE OR DELETE ON scoring_benchmark
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
BACKWARD = """
DROP TRIGGER benchmarks_insert_only ON scoring_benchmark;
DROP TRIGGER entries_insert_only ON scoring_entry;
DROP TRIGGER entries_balance ON scoring_entry;
DROP TRIGGER rubric_frozen ON scoring_rubricversion;
DROP TRIGGER publications_insert_only ON scoring_publication;
DROP TRIGGER runs_frozen ON scoring_run;
DROP TRIGGER inputs_frozen ON scoring_runinput;
DROP TRIGGER scores_frozen ON scoring_score;
DROP FUNCTION refuse_unbalanced_posting();
DROP FUNCTION refuse_published_rubric();
DROP FUNCTION refuse_published_run();
DROP FUNCTION refuse_published_input();
DROP FUNCTION refuse_published_score();
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0001_initial"), ("ecosystem", "0002_audit_insert_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
