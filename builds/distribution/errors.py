"""Errors of this registry, in the format and with the codes of the distribution specification."""

from __future__ import annotations

from urllib.parse import quote_plus

from django.http import HttpRequest, HttpResponse, JsonResponse

from environments.public_url import absolute_url

SERVICE = "environment-studio"
_MESSAGE = "message"
_FIRST, _LAST = 300, 150


class Refusal(Exception):
    """A refused request: HTTP status, code of the specification, message."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        challenge: str = "",
        allow: str = "",
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.challenge = challenge
        self.allow = allow
        self.retry_after = retry_after

    def response(self) -> HttpResponse:
        """Return the error as clients of registries read it."""
        answer = JsonResponse({"errors": [{"code": self.code, "message": self.message}]}, status=self.status)
        if self.challenge:
            answer["WWW-Authenticate"] = self.challenge
        if self.allow:
            answer["Allow"] = self.allow
        if self.retry_after:
            answer["Retry-After"] = str(self.retry_after)
        return answer

    def response_to(self, request: HttpRequest) -> HttpResponse:
        """Return the response to a request."""
        return self.response()


class NoImage(Refusal):
    """A version that exists has no image; a client that requests a HEAD gets the reason too.

    containerd begins with the HEAD of a manifest, and with it BuildKit, Kubernetes, and Docker Engine from 29 on. A HEAD
    has no body, but of a failed one containerd prints the address that it was redirected to. Of a 404 it prints
    nothing, so after the redirect the status is another.
    """

    def response_to(self, request: HttpRequest) -> HttpResponse:
        """Return the error; to a HEAD, a redirect to an address that holds the message, and there a status."""
        answer = self.response()
        if redirected(request):
            answer.status_code = 409 if self.status == 404 else self.status
        elif request.method == "HEAD":
            answer.status_code = 307
            answer["Location"] = f"?{_MESSAGE}={_in_query(self.message)}"
        return answer


def redirected(request: HttpRequest) -> bool:
    """Return whether this is the HEAD that follows the redirect of a `NoImage`."""
    return request.method == "HEAD" and _MESSAGE in request.GET


def _in_query(message: str) -> str:
    """Return a message as it is printed within an address: still readable, and short enough for a header."""
    if len(message) > _FIRST + _LAST:
        message = f"{message[:_FIRST]} ... {message[-_LAST:]}"
    return quote_plus(message, safe=":/,;=()'!*")


class SignInNeeded(Exception):
    """A pull without an account, of a repository that is not public or does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Sign in to pull {name[:300]}.")
        self.name = name


def sign_in_needed(request: HttpRequest, message: str, *, repository: str = "") -> Refusal:
    """Return the refusal that tells a client where to fetch a token.

    A token, not Basic: Docker Engine answers one challenge for all repositories, and to a Basic one
    without credentials it gives up. A client without an account may fetch an anonymous token.
    """
    realm = absolute_url("/v2/token", request)
    challenge = f'Bearer realm="{realm}",service="{SERVICE}"'
    if repository:
        challenge += f',scope="repository:{repository}:pull"'
    return Refusal(401, "UNAUTHORIZED", message, challenge=challenge)


def too_many_tries(minutes: int) -> HttpResponse:
    """Return the response to a client that tried too many passwords."""
    return Refusal(
        429, "TOOMANYREQUESTS", f"Too many wrong passwords. Wait {minutes} minutes, or use an access token."
    ).response()


def unknown_name(name: str, hint: str = "") -> Refusal:
    """Return the refusal for a repository that is not there, or not there for this person."""
    message = f"There is no repository {name[:300]} that you can see. {hint}"
    return Refusal(404, "NAME_UNKNOWN", message.rstrip())


def unknown_manifest(name: str, reference: str) -> Refusal:
    """Return the refusal for a tag or digest that the repository does not have."""
    return Refusal(404, "MANIFEST_UNKNOWN", f"{name} has no image {reference[:200]}.")


def unknown_blob(name: str, digest: str) -> Refusal:
    """Return the refusal for a blob that no image of the repository has."""
    return Refusal(404, "BLOB_UNKNOWN", f"No image in {name} has a blob {digest[:200]}.")
