"""Settings that are unsafe together are refused."""

from typing import Any

import pytest
from django.core.checks import run_checks

from ecosystem.accounts import demo_email
from ecosystem.models import User

SERVER: dict[str, Any] = {
    "LOCAL": False,
    "DEMO": False,
    "HTTPS": True,
    "NAMED_SECRET_KEY": "k" * 60,
    "BIND": "0.0.0.0",
    "ALLOWED_HOSTS": ["portal.example.org"],
    "CSRF_TRUSTED_ORIGINS": ["https://portal.example.org"],
    "BUSINESS_TODAY": None,
    "BROKER_URL": "redis://broker.example.org/0",
    "MAILERS": {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}},
}
MACHINE: dict[str, Any] = SERVER | {
    "LOCAL": True,
    "DEMO": True,
    "HTTPS": False,
    "BIND": "127.0.0.1",
    "ALLOWED_HOSTS": ["127.0.0.1", "localhost", "[::1]"],
    "CSRF_TRUSTED_ORIGINS": [],
}


def refusals(settings: Any, *, deploy: bool, **values: Any) -> set[str]:
    for name, value in values.items():
        setattr(settings, name, value)
    found = run_checks(tags=["security"], include_deployment_checks=deploy)
    return {str(message.id) for message in found if str(message.id).startswith("ecosystem.")}


def test_a_complete_server_and_a_loopback_demo_are_accepted(settings: Any) -> None:
    assert refusals(settings, deploy=True, **SERVER) == set()
    assert refusals(settings, deploy=False, **MACHINE) == set()


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("DEMO", True, {"ecosystem.E001", "ecosystem.E002", "ecosystem.E011"}),
        ("LOCAL", True, {"ecosystem.E003", "ecosystem.E012"}),
        ("BROKER_URL", "filesystem://", {"ecosystem.E004"}),
        ("BROKER_URL", "memory://", {"ecosystem.E004"}),
        ("NAMED_SECRET_KEY", "", {"ecosystem.E013"}),
        ("HTTPS", False, {"ecosystem.E014"}),
        ("ALLOWED_HOSTS", ["localhost"], {"ecosystem.E015"}),
        ("ALLOWED_HOSTS", ["*"], {"ecosystem.E016"}),
        ("BUSINESS_TODAY", "2022-06-30", {"ecosystem.E017"}),
        (
            "MAILERS",
            {"default": {"BACKEND": "django.core.mail.backends.filebased.EmailBackend"}},
            {"ecosystem.E018"},
        ),
    ],
)
def test_the_deployment_check_refuses(settings: Any, name: str, value: Any, refused: set[str]) -> None:
    assert refusals(settings, deploy=True, **(SERVER | {name: value})) == refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", ["portal.example.org"]),
        ("ALLOWED_HOSTS", ["*"]),
        ("ALLOWED_HOSTS", [".localhost.example.org"]),
        ("BIND", "0.0.0.0"),
        ("BIND", "::"),
        ("BIND", "192.168.1.10"),
        ("CSRF_TRUSTED_ORIGINS", ["https://demo.example.org"]),
    ],
)
def test_the_demo_answers_to_loopback_only(settings: Any, name: str, value: Any) -> None:
    assert refusals(settings, deploy=False, **(MACHINE | {name: value})) == {"ecosystem.E002", "ecosystem.E003"}


def test_the_deployment_check_refuses_the_demo_even_on_loopback(settings: Any) -> None:
    assert {"ecosystem.E011", "ecosystem.E012"} <= refusals(settings, deploy=True, **MACHINE)


@pytest.mark.django_db
def test_the_deployment_check_refuses_a_database_with_demo_accounts() -> None:
    def found() -> set[str]:
        messages = run_checks(tags=["database"], include_deployment_checks=True, databases=["default"])
        return {str(message.id) for message in messages}

    assert "ecosystem.E019" not in found()
    User.objects.create_user(demo_email("rating"))
    assert "ecosystem.E019" in found()
