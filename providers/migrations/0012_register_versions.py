"""Keep what rows of registers said before they changed, written by the database itself; bindings among them.

What is kept is named once per table: the columns that roll-ups read, and of bindings the evidence. A statement's rows
are compared as a whole, so a file of any size costs one more statement. Where a new row counts at once, that it was not
there before is kept as well. Rows that scores were made of are not removed: what was known could not be told again.
"""

from django.db import migrations, models

KEPT = {
    "providers_violation": ["provider_id", "kind", "severity", "status", "opened_on", "decided_on", "closed_on"],
    "providers_operatorcertificate": ["provider_id", "person", "level", "period"],
    "providers_operatedsession": [
        "provider_id",
        "operator",
        "day",
        "registered_hours_ahead",
        "gmv_strict_fen",
        "baseline_fen",
        "baseline_sessions",
        "day_index_bp",
        "fell_below_after",
    ],
    "providers_provider": ["approved_on", "distribution_declared"],
    "providers_merchant": ["category"],
    "providers_streamer": ["person", "merchant_id", "category"],
    "providers_binding": [
        "period",
        "status",
        "term_ends_on",
        "renewed_on",
        "related_party",
        "share_bp",
        "confirmed_at",
        "evidence",
    ],
}
COUNT_AT_ONCE = ("providers_violation", "providers_operatorcertificate", "providers_operatedsession")

FUNCTIONS = """
CREATE FUNCTION keep_versions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
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
CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % stay: what was known is rebuilt from them', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER versions_insert_only BEFORE UPDATE OR DELETE ON providers_registerversion
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
NO_FUNCTIONS = """
DROP TRIGGER versions_insert_only ON providers_registerversion;
DROP FUNCTION refuse_removal();
DROP FUNCTION keep_versions();
"""
CHANGED = """
CREATE TRIGGER {table}_changed AFTER UPDATE ON {table} REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_versions({columns});
"""
ADDED = """
CREATE TRIGGER {table}_added AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_versions();
CREATE TRIGGER {table}_stays BEFORE DELETE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal();
"""
FROM_BINDING_VERSIONS = """
INSERT INTO providers_registerversion (register, row_id, known, recorded_to)
SELECT 'providers_binding', binding.id, jsonb_build_object('period', version.period, 'status', 'confirmed',
    'term_ends_on', binding.term_ends_on, 'renewed_on', binding.renewed_on, 'related_party', binding.related_party,
    'share_bp', binding.share_bp, 'confirmed_at', binding.confirmed_at, 'evidence', binding.evidence),
    version.recorded_to
FROM providers_bindingversion version JOIN providers_binding binding ON binding.id = version.binding_id
ORDER BY version.id
"""
TO_BINDING_VERSIONS = """
INSERT INTO providers_bindingversion (binding_id, period, recorded_to)
SELECT row_id, (known ->> 'period')::daterange, recorded_to FROM providers_registerversion
WHERE register = 'providers_binding' AND known ->> 'status' = 'confirmed' ORDER BY id
"""


def _triggers() -> str:
    changed = "".join(
        CHANGED.format(table=table, columns=", ".join(f"'{name}'" for name in names)) for table, names in KEPT.items()
    )
    return changed + "".join(ADDED.format(table=table) for table in COUNT_AT_ONCE)


def _no_triggers() -> str:
    dropped = [(f"{table}_changed", table) for table in KEPT]
    dropped += [(f"{table}_{what}", table) for table in COUNT_AT_ONCE for what in ("added", "stays")]
    return "".join(f"DROP TRIGGER {name} ON {table};" for name, table in dropped)


class Migration(migrations.Migration):
    dependencies = [("providers", "0011_newest_month_by_day"), ("ecosystem", "0002_audit_insert_only")]

    operations = [
        migrations.CreateModel(
            name="RegisterVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("register", models.CharField(max_length=63, verbose_name="table")),
                ("row_id", models.BigIntegerField(verbose_name="row")),
                (
                    "known",
                    models.JSONField(
                        help_text="Empty: until then there was no such row.", null=True, verbose_name="what it said"
                    ),
                ),
                ("recorded_to", models.DateTimeField(verbose_name="stood until")),
            ],
            options={
                "verbose_name": "earlier version",
                "verbose_name_plural": "earlier versions",
                "indexes": [
                    models.Index(fields=["register", "row_id", "recorded_to", "id"], name="registerversion_of_row")
                ],
            },
        ),
        migrations.RunSQL(FROM_BINDING_VERSIONS, TO_BINDING_VERSIONS),
        migrations.DeleteModel(name="BindingVersion"),
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        migrations.RunSQL(_triggers(), _no_triggers()),
    ]
