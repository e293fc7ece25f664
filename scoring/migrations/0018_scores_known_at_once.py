"""Ask once a statement, not once a row, whether scores name a run and providers that are there.

Whoever takes a run or a provider away waits for those who write scores, and they wait for whoever takes one away: each
holds a lock on the table of scores, none on 20,000 providers. Then either looks at what the other left, which only a
transaction that reads what is committed can see.
"""

import django.db.models.deletion
from django.db import migrations, models

CHECKS = """
CREATE FUNCTION need_read_committed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'scores, and what they name, change only where the transaction reads what is committed'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
END $$;

CREATE FUNCTION refuse_unknown_in_scores() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM need_read_committed();
    IF EXISTS (SELECT run_id FROM added EXCEPT SELECT id FROM scoring_run)
        OR EXISTS (SELECT provider_id FROM added EXCEPT SELECT id FROM providers_provider)
    THEN
        RAISE EXCEPTION 'a score names a run or a provider that is not there' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER scores_name_what_is_there AFTER INSERT ON scoring_score REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_in_scores();

CREATE FUNCTION refuse_scores_left_behind() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    left_behind boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
        RETURN NULL;
    END IF;
    PERFORM need_read_committed();
    LOCK TABLE scoring_score IN SHARE ROW EXCLUSIVE MODE;
    IF TG_OP = 'TRUNCATE' THEN
        left_behind := EXISTS (SELECT FROM scoring_score);
    ELSE
        EXECUTE format('SELECT EXISTS (SELECT FROM scoring_score WHERE %I = $1)', TG_ARGV[0])
            INTO left_behind USING OLD.id;
    END IF;
    IF left_behind THEN
        RAISE EXCEPTION 'scores name what would leave %', TG_TABLE_NAME USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
"""
NAMED = """
CREATE TRIGGER {singular}_stays_under_scores AFTER DELETE OR UPDATE OF id ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_scores_left_behind('{singular}_id');
CREATE TRIGGER {singular}s_not_emptied_under_scores AFTER TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_scores_left_behind();
"""
TABLES = {"run": "scoring_run", "provider": "providers_provider"}
FORWARD = CHECKS + "".join(NAMED.format(singular=singular, table=table) for singular, table in TABLES.items())
BACKWARD = """
DROP TRIGGER scores_name_what_is_there ON scoring_score;
DROP FUNCTION refuse_unknown_in_scores();
DROP FUNCTION refuse_scores_left_behind() CASCADE;
DROP FUNCTION need_read_committed();
"""


def _to(model: str, verbose_name: str) -> models.ForeignKey:
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="scores",
        to=model,
        verbose_name=verbose_name,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0011_newest_month_by_day"),
        ("scoring", "0017_one_index_for_history"),
    ]

    operations = [
        migrations.AlterField(model_name="score", name="provider", field=_to("providers.provider", "provider")),
        migrations.AlterField(model_name="score", name="run", field=_to("scoring.run", "run")),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
