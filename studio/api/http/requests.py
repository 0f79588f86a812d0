"""The type of the API's requests."""

from django.contrib.auth.models import User
from rest_framework.request import Request


class ApiRequest(Request):
    """A request with its user, which `MaySend` requires. For annotations only."""

    user: User
