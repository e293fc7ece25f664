"""What every page knows about the account."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from ecosystem.models import Notice


def account(request: HttpRequest) -> dict[str, object]:
    """Give templates ``account.unread``: one count, only for people who are signed in."""

    def read() -> dict[str, int]:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return {"unread": 0}
        return {"unread": Notice.objects.filter(user_id=user.pk, read_at=None).count()}

    return {"account": SimpleLazyObject(read)}
