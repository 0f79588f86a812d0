"""Reading what is sent, within bounds: no body takes the memory or the stack of the studio."""

import io
import json
from typing import IO, Any

from django.conf import settings
from rest_framework import exceptions, status
from rest_framework.parsers import JSONParser

from environments.bounded_json import TooDeep, check_depth


class TooLarge(exceptions.APIException):
    """More was sent than there may be."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too-large"
    default_detail = (
        "What was sent is too large: JSON may have up to 5 MB, and a file goes in a form, as `file`."
    )


class BoundedJSONParser(JSONParser):
    """Reads JSON of a size and depth that people send."""

    def parse(self, stream: IO[Any], *args: Any, **kwargs: Any) -> Any:
        """Return what the JSON says."""
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(most + 1)
        if len(body) > most:
            raise TooLarge
        try:
            parsed = super().parse(io.BytesIO(body), *args, **kwargs)
            check_depth(parsed)
        except (RecursionError, TooDeep) as error:
            raise exceptions.ParseError("The JSON is nested too deeply.") from error
        # Only by an escape can there be half a character, which no database holds and no answer can repeat.
        if b"\\u" in body.replace(b"\0", b""):
            try:
                json.dumps(parsed, ensure_ascii=False).encode()
            except UnicodeEncodeError as error:
                raise exceptions.ParseError(
                    "The JSON holds half a character: a surrogate alone, such as \\ud800."
                ) from error
        return parsed
