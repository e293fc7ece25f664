"""The staff's tables: every list, row and export opens with data in it."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from ecosystem.admin_base import StaffAdmin
from ecosystem.roles import Role
from tests.web.sign_in import sign_in
from tests.web.world import World, world

pytestmark = pytest.mark.django_db

TABLES = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Who looks: the auditor everywhere but where accounts are kept.
KEPT_BY_ADMINISTRATORS = ("User", "ApiToken", "OutboxMessage")


@pytest.fixture
def made() -> World:
    return world()


def reader(made: World, name: str) -> Client:
    role = Role.ADMINISTRATOR if name in KEPT_BY_ADMINISTRATORS else Role.AUDITOR
    return sign_in(Client(), made.staff[role])


def test_only_the_portals_own_tables_are_registered() -> None:
    assert all(isinstance(admin.site._registry[model], StaffAdmin) for model in TABLES)


def test_every_list_row_and_export_opens(made: World) -> None:
    for model in TABLES:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        client = reader(made, model.__name__)
        row = made.row(model)
        shown = client.get(reverse(f"admin:{name}_changelist"))
        assert shown.status_code == 200, name
        assert f"/{row.pk}/change/" in shown.content.decode(), name
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200, name
        lines = b"".join(client.get(reverse(f"admin:{name}_export_csv")).streaming_content).decode().splitlines()
        assert len(lines) >= 2, name
