"""Keep what grants said before they changed; they are not removed."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER scoring_grant_changed AFTER UPDATE ON scoring_grant REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_versions('provider_id', 'amount', 'status', 'granted_on', 'expires_on',
        'settled_amount');
CREATE TRIGGER scoring_grant_stays BEFORE DELETE ON scoring_grant
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal();
"""
BACKWARD = """
DROP TRIGGER scoring_grant_stays ON scoring_grant;
DROP TRIGGER scoring_grant_changed ON scoring_grant;
"""


class Migration(migrations.Migration):
    dependencies = [("scoring", "0018_scores_known_at_once"), ("providers", "0012_register_versions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
