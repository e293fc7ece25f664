"""Refuse settings that are unsafe together."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from ecosystem.accounts import ACCOUNTS, demo_email
from ecosystem.models import User

BROKERS = frozenset({"redis", "rediss", "redis+socket", "amqp", "amqps"})


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only mean this machine."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _strangers() -> list[str]:
    """Return the configured hosts, origins and bind address that are not this machine."""
    origins = [urlsplit(origin).hostname or origin for origin in settings.CSRF_TRUSTED_ORIGINS]
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "testserver"]
    return [host for host in (settings.BIND, *hosts, *origins) if not is_loopback(host)]


@register(Tags.security)
def check_local(app_configs: Sequence[AppConfig] | None = None, **options: Any) -> list[CheckMessage]:
    """Refuse the demo and the local mode anywhere but on loopback."""
    found: list[CheckMessage] = []
    strangers = ", ".join(_strangers())
    if settings.DEMO and not settings.LOCAL:
        found.append(
            Error(
                "PORTAL_DEMO is on outside the local mode: demo accounts have known passwords.",
                hint="Unset PORTAL_DEMO, or run the demo with ./run on your own machine.",
                id="ecosystem.E001",
            )
        )
    if settings.DEMO and strangers:
        found.append(
            Error(
                f"PORTAL_DEMO is on, but the portal answers to more than this machine: {strangers}.",
                hint="Name only loopback in PORTAL_HOSTS, PORTAL_ORIGINS and PORTAL_BIND, or unset PORTAL_DEMO.",
                id="ecosystem.E002",
            )
        )
    if settings.LOCAL and strangers:
        found.append(
            Error(
                f"The local mode (plain HTTP) is on, but the portal answers to more than this machine: {strangers}.",
                hint="Run a server with PORTAL_SECRET_KEY, DATABASE_URL and BROKER_URL: docs/operations.md.",
                id="ecosystem.E003",
            )
        )
    return found


@register(Tags.security)
def check_broker(app_configs: Sequence[AppConfig] | None = None, **options: Any) -> list[CheckMessage]:
    """Refuse a broker that would lose work or that Celery cannot speak to."""
    scheme = settings.BROKER_URL.partition("://")[0]
    if scheme in BROKERS:
        return []
    return [
        Error(
            f"BROKER_URL begins with {scheme!r}.",
            hint=f"Use one of {', '.join(sorted(BROKERS))}.",
            id="ecosystem.E004",
        )
    ]


@register(Tags.security, deploy=True)
def check_server(app_configs: Sequence[AppConfig] | None = None, **options: Any) -> list[CheckMessage]:
    """Refuse to deploy the demo, the local mode, or a server that is not fully described."""
    found: list[CheckMessage] = []
    if settings.DEMO:
        found.append(
            Error("PORTAL_DEMO must be off on a server: demo accounts have known passwords.", id="ecosystem.E011")
        )
    if settings.LOCAL:
        found.append(Error("PORTAL_LOCAL must be off on a server.", hint="Set PORTAL_SECRET_KEY.", id="ecosystem.E012"))
    if not settings.NAMED_SECRET_KEY:
        found.append(
            Error("PORTAL_SECRET_KEY is not set: every process would sign with another key.", id="ecosystem.E013")
        )
    if not settings.HTTPS:
        found.append(Error("PORTAL_HTTPS is off: passwords and scores would travel in clear.", id="ecosystem.E014"))
    if not [host for host in settings.ALLOWED_HOSTS if not is_loopback(host)]:
        found.append(Error("PORTAL_HOSTS names no host that others can reach.", id="ecosystem.E015"))
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("PORTAL_HOSTS may not be '*': links in mails are built from it.", id="ecosystem.E016"))
    if settings.BUSINESS_TODAY is not None:
        found.append(Error("PORTAL_BUSINESS_TODAY stops the business day; it is for the demo.", id="ecosystem.E017"))
    if "filebased" in settings.MAILERS["default"]["BACKEND"]:
        found.append(
            Error("PORTAL_SMTP_HOST is not set: invitations and resets would stay in a folder.", id="ecosystem.E018")
        )
    return found


@register(Tags.database, deploy=True)
def check_accounts(
    app_configs: Sequence[AppConfig] | None = None, *, databases: Sequence[str] | None = None, **options: Any
) -> list[CheckMessage]:
    """Refuse to deploy a database that holds the demo's accounts (`check --deploy --database default`)."""
    known = [demo_email(account[0]) for account in ACCOUNTS]
    if not databases or not User.objects.filter(email__in=known, is_active=True).exists():
        return []
    return [
        Error(
            "The database holds active demo accounts, whose passwords are known.",
            hint="Deploy on an empty database; demo data and its accounts belong to one machine.",
            id="ecosystem.E019",
        )
    ]
