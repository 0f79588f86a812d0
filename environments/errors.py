"""What is said when something cannot be done: below the services, so that all of them can say it."""

from environments.definition import Reading


class Refused(Exception):
    """Something that cannot be saved: what, and what to do."""

    def __init__(self, code: str, message: str, help: str = "", *, reading: Reading | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help
        self.reading = reading
