"""The leaderboard lies beside the scores: as many pages of the database at its end as at its start, names included."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ecosystem.pages import keyset
from ecosystem.roles import Role
from providers.models import Provider
from scoring import current
from scoring.models import Run, Score
from scoring.steps.score import score_population
from tests import factories
from tests.scoring import rows
from tests.web.sign_in import sign_in

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = [pytest.mark.server, pytest.mark.django_db]

SINCE = rows.AS_OF - timedelta(days=120)
RANKED = 6000
_POPULATION = """
WITH made AS (
  INSERT INTO providers_provider (code, name, category, goods_category, status, country, credit_code, province, city,
    introduction, contact_name, contact_email, contact_phone, legal_person, bank_account_digest,
    distribution_declared, rejections, decision_reason, created_at)
  SELECT 'L' || number, '演示 ' || number, 'MCN', '', 'draft', 'XX', '', '', '', '', '', '', '', '', '', false, 0, '',
    now()
  FROM generate_series(1, %(ranked)s) AS number RETURNING id, code, name, category)
INSERT INTO scoring_score (run_id, provider_id, provider_code, provider_name, provider_category, status, published,
  grade, rank, capabilities, flags)
SELECT %(run)s, id, code, name, category, 'rated', 50, 'B', row_number() OVER (ORDER BY hashint8(id), id),
  '{"LIVE": "0.0", "SALES": "30.0"}', '{}'
FROM made ORDER BY hashint8(id), id
"""


@pytest.fixture(autouse=True)
def _today(settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF


def ranked() -> Run:
    run = rows.run(kind=Run.Kind.PROVISIONAL, status=Run.Status.COMPUTED, input_digest="x", rated=RANKED)
    with connection.cursor() as cursor:
        cursor.execute(_POPULATION, {"ranked": RANKED, "run": run.pk})
        cursor.execute("ANALYZE scoring_score")
    return run


def buffers(statement: str) -> int:
    """Return the pages of the database a statement touches."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement.replace("%", "%%"))
        found = cursor.fetchone()[0]
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_a_page_deep_in_the_list_touches_as_little_as_the_first() -> None:
    run = ranked()
    staff = sign_in(Client(), factories.user(Role.RATING))
    deep = keyset(run.scores.filter(rank__gte=RANKED - 200), ("rank", "provider_id")).next
    touched = []
    for query in ("", f"&after={deep}", f"&before={deep}"):
        with CaptureQueriesContext(connection) as queries:
            page = staff.get(f"/leaderboard/?kind=provisional{query}")
        (statement,) = [one["sql"] for one in queries if "scoring_score" in one["sql"]]
        assert "providers_provider" not in statement
        assert len(page.context["scores"]) == 50
        touched.append(buffers(statement))
    # A page's rows, and the way to them in the index.
    assert max(touched) <= 12, touched


def test_a_new_run_lies_in_the_order_of_its_ranks() -> None:
    rows.rubric()
    for orders in (10, 30, 20):
        rows.trading(factories.provider(approved_on=SINCE), orders=orders, sessions=1, since=SINCE)
    rows.drain("roll_up")
    score_population(rows.AS_OF)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rank FROM scoring_score ORDER BY ctid")
        assert [rank for (rank,) in cursor.fetchall()] == [1, 2, 3]


def test_a_new_name_reaches_the_leaderboard_and_not_what_was_scored_before() -> None:
    rows.rubric()
    provider = factories.provider(approved_on=SINCE, name="从前的名字（演示）")
    rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up")
    earlier = score_population(rows.AS_OF - timedelta(days=1))
    score_population(rows.AS_OF)
    line = [f"{provider.code},现在的名字（演示）,{provider.category},{provider.credit_code},合同"]
    rows.deliver("providers", "provider,name,category,credit_code,evidence", line)
    rows.drain("roll_up", "score")
    run = current.current_run()
    assert run is not None
    assert not Score.objects.of(run).called_otherwise().exists()
    staff = sign_in(Client(), factories.user(Role.RATING))
    page = staff.get("/leaderboard/?q=现在的&category=" + provider.category)
    assert [row.provider_name for row in page.context["scores"]] == ["现在的名字（演示）"]
    assert Score.objects.of(earlier).get().provider_name == "从前的名字（演示）"


def test_staff_of_a_region_see_the_ranks_of_their_own() -> None:
    run = rows.run(kind=Run.Kind.PROVISIONAL, status=Run.Status.COMPUTED, input_digest="x")
    inside, outside = factories.provider(province="33"), factories.provider(province="44")
    rows.score(inside, run)
    rows.score(outside, run, rank=2)
    region = sign_in(Client(), factories.user(Role.CATEGORY_REGION, scope_provinces=["33"]))
    assert [row.provider for row in region.get("/leaderboard/").context["scores"]] == [inside]
    assert Provider.objects.count() == 2
