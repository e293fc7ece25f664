"""Refusals a person or a client can act on."""

from django.utils.functional import Promise

Text = str | Promise


class DomainError(Exception):
    """A rule of the domain refused the request; the message says what was found and what was needed."""

    code = "refused"
    status = 409

    def __init__(self, message: Text, *, detail: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail or {}

    def __str__(self) -> str:
        return str(self.message)


class NotAllowed(DomainError):
    """This person may not take this step."""

    code = "not_allowed"
    status = 403


class WrongStatus(DomainError):
    """The thing is not in the status the step starts from (perhaps a twin was faster)."""

    code = "wrong_status"


class InvalidInput(DomainError):
    """The values given do not make sense."""

    code = "invalid"
    status = 422
