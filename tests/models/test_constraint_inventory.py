"""Every constraint and refusing trigger has a case that breaks it, and no case outlives its constraint."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.db import connection

pytestmark = [pytest.mark.server, pytest.mark.django_db]
OURS = ("ecosystem", "providers", "scoring")


def declared(app: str) -> set[str]:
    """Name the constraints of an app's models."""
    return {
        constraint.name for model in apps.get_app_config(app).get_models() for constraint in model._meta.constraints
    }


# Those that keep versions refuse nothing; tests/scoring/test_as_known.py sees what they keep.
REFUSING = "NOT tgisinternal AND tgfoid <> 'keep_versions'::regproc"


def triggers(app: str) -> set[str]:
    """Name the refusing triggers on an app's tables."""
    tables = [model._meta.db_table for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            f" WHERE {REFUSING} AND relname = ANY(%s)",
            [tables],
        )
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.parametrize("app", OURS)
def test_every_constraint_and_trigger_has_a_case(app: str) -> None:
    cases = importlib.import_module(f"tests.models.test_{app}_constraints").CASES
    assert set(cases) == declared(app) | triggers(app)


def test_no_trigger_stands_on_a_table_nobody_declares() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            f" WHERE {REFUSING} AND nspname = current_schema()"
        )
        [total] = cursor.fetchone()
    assert total == sum(len(triggers(app)) for app in OURS)


def test_the_database_holds_what_the_models_declare() -> None:
    """A constraint that a migration forgot would be declared, have a case, and not exist."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind IN ('i', 'I')"
        )
        there = {row[0] for row in cursor.fetchall()}
    assert {name for app in OURS for name in declared(app)} <= there
