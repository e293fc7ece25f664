"""The tables are what the models say, and migrations stay readable."""

import re
from itertools import pairwise

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from ecosystem.health import known_migrations, missing_migrations

OURS = ("ecosystem", "providers", "scoring")


@pytest.mark.server
@pytest.mark.django_db
def test_no_model_change_without_its_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.server
@pytest.mark.django_db
def test_every_migration_is_applied() -> None:
    assert known_migrations()
    assert missing_migrations(connection) == []


@pytest.mark.parametrize("app", OURS)
def test_migrations_are_one_line_of_named_steps(app: str) -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    names = sorted(name for label, name in loader.disk_migrations if label == app)
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]
    assert [name for name in names if re.search(r"_auto_|_\d{8}", name)] == []
    for earlier, later in pairwise(names):
        inside = [key for key in loader.disk_migrations[app, later].dependencies if key[0] == app]
        assert inside == [(app, earlier)]


def test_every_migration_can_be_undone() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    stuck = [
        f"{app}.{name}: {operation.describe()}"
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS
        for operation in migration.operations
        if not operation.reversible
    ]
    assert stuck == []


def test_no_generic_keys_and_no_saved_rules() -> None:
    for app in OURS:
        for model in apps.get_app_config(app).get_models():
            assert "save" not in vars(model), f"{model.__name__} hides a rule in save()"
            assert not [field for field in model._meta.private_fields if type(field).__name__ == "GenericForeignKey"]
