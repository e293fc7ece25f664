"""Settings of the portal: one file, read from the environment by typed readers.

Bad combinations are refused by the system checks in ``ecosystem/checks.py``.
"""

import os
import secrets
from datetime import date, timedelta
from pathlib import Path

import dj_database_url
from django.templatetags.static import static
from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent


def env_text(name: str, default: str = "") -> str:
    """Read a text from the environment."""
    return os.environ.get(name, default)


def env_flag(name: str, *, default: bool = False) -> bool:
    """Read a yes-or-no from the environment (1, true, yes, on)."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def env_number(name: str, default: int) -> int:
    """Read a whole number from the environment."""
    return int(env_text(name, str(default)))


def env_list(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list from the environment."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_date(name: str) -> date | None:
    """Read an ISO date from the environment; None when not set."""
    value = os.environ.get(name)
    return date.fromisoformat(value) if value else None


DEBUG = env_flag("PORTAL_DEBUG")
# One machine, loopback only (set by manage.py for a data folder of its own): plain HTTP, static files straight from
# their packages, mail into a folder. Everything else is a server and is strict.
LOCAL = env_flag("PORTAL_LOCAL")
# Demo accounts and sign-in without a second factor: only ever on loopback (see checks.py).
DEMO = env_flag("PORTAL_DEMO")
# Never a key that others could know: without one each process makes its own, and wsgi.py refuses to serve.
NAMED_SECRET_KEY = env_text("PORTAL_SECRET_KEY")
SECRET_KEY = NAMED_SECRET_KEY or secrets.token_urlsafe(50)
SECRET_KEY_FALLBACKS = env_list("PORTAL_SECRET_KEY_FALLBACKS")
BIND = env_text("PORTAL_BIND", "127.0.0.1")
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
    "ecosystem.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ecosystem.middleware.MethodMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ecosystem.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "ecosystem.middleware.SecondFactorMiddleware",
    "ecosystem.middleware.RefusalMiddleware",
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
                "ecosystem.context.account",
                "providers.context.member",
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
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

# Counters of the limiters: shared by all web processes, kept where everything else is (migration 0003 makes the table).
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}}

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
FORMAT_MODULE_PATH = "ecosystem.formats"
# The words of templates/; each app carries its own.
LOCALE_PATHS = [BASE_DIR / "locale"]

STATIC_URL = "static/"
STATIC_ROOT = None if LOCAL else PORTAL_VAR / "static"
MEDIA_ROOT = PORTAL_VAR / "media"
STATICFILES_DIRS = [BASE_DIR / "ecosystem" / "assets"]
# Looked up when asked for: nothing to collect, nothing to scan at the start.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = LOCAL
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Transport and browser rules.
HTTPS = env_flag("PORTAL_HTTPS", default=not LOCAL)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz/$"]
SECURE_HSTS_SECONDS = env_number("PORTAL_HSTS_SECONDS", 31_536_000 if HTTPS else 0)
# The portal speaks for its own name only; the names beside it belong to others.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if env_flag("PORTAL_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = 12 * 60 * 60
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
# Unfold's Alpine evaluates expressions and sets styles; the admin alone allows it.
ADMIN_CSP = SECURE_CSP | {
    "script-src": [CSP.SELF, CSP.UNSAFE_INLINE, CSP.UNSAFE_EVAL],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
}

# Days from the proposal of a transfer to its first day, and from the end of a sister company's binding to the next.
COOL_DOWN_DAYS = env_number("PORTAL_COOL_DOWN_DAYS", 30)
SISTER_COOL_DOWN_DAYS = env_number("PORTAL_SISTER_COOL_DOWN_DAYS", 180)
# Days the other side of a conflict has for its answer before the arbiter may decide without it.
CONFLICT_ANSWER_DAYS = env_number("PORTAL_CONFLICT_ANSWER_DAYS", 7)

# Where links in mails lead, without a slash at its end; `up` sets it to the port it took.
PORTAL_URL = env_text("PORTAL_URL", "http://127.0.0.1:8000").rstrip("/")
# Mail: SMTP where a host is named, else files in the data folder.
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env_text("PORTAL_FROM_EMAIL", "portal@localhost")
MAILERS = {
    "default": {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": env_text("PORTAL_SMTP_HOST"),
            "port": env_number("PORTAL_SMTP_PORT", 587),
            "username": env_text("PORTAL_SMTP_USER"),
            "password": env_text("PORTAL_SMTP_PASSWORD"),
            "use_tls": env_flag("PORTAL_SMTP_TLS", default=True),
            "timeout": 15,
        },
    }
    if env_text("PORTAL_SMTP_HOST")
    else {
        "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "OPTIONS": {"file_path": str(PORTAL_VAR / "mail")},
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_text("PORTAL_LOG_LEVEL", "INFO")},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        "axes": {"level": "WARNING"},
    },
}

# The broker only rings the bell; the database holds the work (docs/flow.md).
BROKER_URL = env_text("BROKER_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_connect_timeout": 2, "socket_keepalive": True} if BROKER_URL.startswith("redis") else {}
)
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "recalc"
CELERY_TASK_ROUTES = {
    "scoring.tasks.*": {"queue": "recalc"},
    "providers.tasks.*": {"queue": "ingest"},
    "ecosystem.*": {"queue": "outbound"},
}
CELERY_TASK_SOFT_TIME_LIMIT = env_number("PORTAL_TASK_SECONDS", 600)
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 30
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE_FILENAME = str(PORTAL_VAR / "run" / "beat-schedule")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "ecosystem.api.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "ecosystem.api.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "ecosystem.api_schema.Schema",
    "EXCEPTION_HANDLER": "ecosystem.api.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Service-provider ecosystem portal",
    "DESCRIPTION": "Register, ingest, roll up, score, tier, fund, publish. Money is integer fen; days are business "
    "days in Asia/Shanghai; periods are half-open; identifiers are strings.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "DEFAULT_GENERATOR_CLASS": "ecosystem.api_schema.EnglishGenerator",
    "ENUM_NAME_OVERRIDES": {
        "BindingRoleEnum": "providers.choices.BindingRole",
        "AccountRoleEnum": "ecosystem.roles.Role",
        "GoodsCategoryEnum": "providers.choices.GoodsCategory",
        "ProviderCategoryEnum": "providers.choices.ProviderCategory",
        "RunKindEnum": "scoring.models.runs.Run.Kind",
    },
}

# Sign-in: by email, confirmed by a code; a second factor for staff in every session (ecosystem/middleware.py).
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "ecosystem.sign_in.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "ecosystem.sign_in.SignUpForm"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
# allauth's own limit per account would let anybody lock anybody out; axes counts account and address together.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip"}
MFA_TOTP_ISSUER = "Ecosystem portal"
MFA_TOTP_TOLERANCE = 1
AXES_FAILURE_LIMIT = 6
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "ecosystem.sign_in.sign_in_name"
AXES_LOCKOUT_CALLABLE = "ecosystem.views.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ACCESS_FAILURE_LOG = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False

UNFOLD = {
    "SITE_TITLE": _("Ecosystem portal"),
    "SITE_HEADER": _("Ecosystem portal"),
    "SITE_SUBHEADER": _("Staff workplace"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "storefront",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": False,
    "THEME": "light",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("portal/mark.svg")}],
    "STYLES": [lambda request: static("portal/admin.css")],
    "DASHBOARD_CALLBACK": "scoring.dashboard.home",
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": "ecosystem.menu.navigation"},
    "COLORS": {
        "primary": {
            "50": "#e3eff1",
            "100": "#cfe3e7",
            "200": "#a6cdd4",
            "300": "#72aeb9",
            "400": "#3d8b99",
            "500": "#1b6f80",
            "600": "#0b5566",
            "700": "#083f4c",
            "800": "#063540",
            "900": "#052c35",
            "950": "#031d23",
        },
    },
}
