"""Settings of the portal: one file, read from the environment by typed readers.

Bad combinations are refused by the system checks in ``ecosystem/checks.py``.
"""

import os
from datetime import date
from pathlib import Path

import dj_database_url
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent


def env_text(name: str, default: str = "") -> str:
    """Read a text from the environment."""
    return os.environ.get(name, default)


def env_flag(name: str, *, default: bool = False) -> bool:
    """Read a yes-or-no from the environment (1, true, yes, on)."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def env_list(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list from the environment."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_date(name: str) -> date | None:
    """Read an ISO date from the environment; None when not set."""
    value = os.environ.get(name)
    return date.fromisoformat(value) if value else None


DEBUG = env_flag("PORTAL_DEBUG")
# Demo accounts and sign-in without a second factor: only ever on loopback (see checks.py).
DEMO = env_flag("PORTAL_DEMO")
SECRET_KEY = env_text("PORTAL_SECRET_KEY", "insecure-development-key-only-for-loopback-use-0123456789")
ALLOWED_HOSTS = env_list("PORTAL_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("PORTAL_ORIGINS")
PORTAL_VAR = Path(env_text("PORTAL_VAR", str(BASE_DIR / "var")))

# "Today" in business days; the demo stands at 2022-06-30 for ever. None: the clock in Asia/Shanghai.
BUSINESS_TODAY = env_date("PORTAL_BUSINESS_TODAY")

INSTALLED_APPS = [
    "ecosystem.apps.EcosystemConfig",
    "providers.apps.ProvidersConfig",
    "scoring.apps.ScoringConfig",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "rest_framework",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_include_bootstrap",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ecosystem.urls"
WSGI_APPLICATION = "ecosystem.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["ecosystem.templatetags.portal"],
        },
    }
]

DATABASES = {
    "default": dj_database_url.parse(
        env_text("DATABASE_URL", "postgresql://portal@127.0.0.1:5432/portal"), conn_max_age=60, conn_health_checks=True
    )
}

AUTH_USER_MODEL = "ecosystem.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = PORTAL_VAR / "static"
MEDIA_ROOT = PORTAL_VAR / "media"
STATICFILES_DIRS = [BASE_DIR / "ecosystem" / "assets"]

# The broker only rings the bell; the database holds the work (docs/flow.md).
BROKER_URL = env_text("BROKER_URL", "redis://127.0.0.1:6379/0")
