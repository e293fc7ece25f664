"""Be somebody in a test client."""

import time

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from django.test import Client

from ecosystem.models import User


def sign_in(client: Client, user: User, *, second_factor: bool | None = None) -> Client:
    """Sign a user in; staff with a second factor unless told otherwise."""
    client.force_login(user)
    if user.is_staff if second_factor is None else second_factor:
        session = client.session
        session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time(), "type": "totp"}]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client
