"""Errors of the services, which the pages, the API and the commands show."""

from http import HTTPStatus

from environments.definition import Reading


class ServiceError(Exception):
    """A request that cannot be carried out: its code, a message, and what to do about it."""

    status = HTTPStatus.BAD_REQUEST  # of the API's response

    def __init__(self, code: str, message: str, help: str = "", *, reading: Reading | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.reading = reading


class ConflictError(ServiceError):
    """A request that the current state does not allow."""

    status = HTTPStatus.CONFLICT


class ForbiddenError(ServiceError):
    """A request that the caller's role does not allow."""

    status = HTTPStatus.FORBIDDEN
