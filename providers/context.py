"""What every page knows about the member."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from providers.current import working_for


def member(request: HttpRequest) -> dict[str, object]:
    """Give templates ``member``, read only where a page uses it."""
    return {"member": SimpleLazyObject(lambda: working_for(request))}
