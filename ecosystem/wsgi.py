"""WSGI entry point of the portal."""

import os

from django.conf import settings
from django.core.checks import Error, Tags, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.urls import reverse
from django.utils import translation

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecosystem.settings")

application = get_wsgi_application()

if not settings.NAMED_SECRET_KEY:
    raise ImproperlyConfigured("PORTAL_SECRET_KEY is not set; a server must name it (docs/operations.md).")
if refusals := [message for message in run_checks(tags=[Tags.security]) if message.level >= Error("").level]:
    raise ImproperlyConfigured(" ".join(str(message.msg) for message in refusals))

# Here, before the server forks: it takes most of a second, which the first reader of each process would wait for.
for language, _ in settings.LANGUAGES:
    with translation.override(language):
        for page in ("providers:home", "scoring:score", "admin:index"):
            reverse(page)
