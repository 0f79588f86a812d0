"""Keep NUL, which PostgreSQL text cannot hold, out of what views read from a request."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, QueryDict
from django.utils.deprecation import MiddlewareMixin

if TYPE_CHECKING:
    from django.http.request import _ImmutableQueryDict

# No name contains it, so a path with a NUL matches nothing and gets the 404 of its page or API.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class StripNul(MiddlewareMixin):
    """Strip NUL from queries, cookies and headers, and replace it in paths."""

    def process_request(self, request: HttpRequest) -> None:
        """Clean everything but the body."""
        request.path = request.path.replace("\0", REPLACEMENT)
        request.path_info = request.path_info.replace("\0", REPLACEMENT)
        for name, value in request.META.items():
            if name.startswith("HTTP_") and "\0" in value:
                request.META[name] = value.replace("\0", "")
        # The parser of cookies makes a NUL of \000.
        request.COOKIES = {name: value.replace("\0", "") for name, value in request.COOKIES.items()}
        request.GET = without_nul(request.GET)


class StripNulFromForms(MiddlewareMixin):
    """Strip NUL from the forms of pages. The API's serializers refuse it instead, with the name of the field.

    It comes after CsrfViewMiddleware, which decides whether a form may be read at all.
    """

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Clean the fields; a file's content stays as it is."""
        if request.method == "POST" and not getattr(view, "csrf_exempt", False):
            request.POST = without_nul(request.POST)


def without_nul(query: "_ImmutableQueryDict") -> "_ImmutableQueryDict":
    """Return a query without its NULs; the same object when it has none."""
    encoded = query.urlencode()
    # urlencode writes every % of the values as %25, so %00 is a NUL and nothing else.
    return QueryDict(encoded.replace("%00", ""), encoding=query.encoding) if "%00" in encoded else query
