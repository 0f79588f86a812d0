"""One-time login links, made by `studio.preparation.login_path`."""

from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.utils.http import urlsafe_base64_decode


def user_of_link(uid: str, token: str) -> User | None:
    """Return the user that a link signs in; None if it is used, expired or forged.

    The token contains the time of the last login, so that a login invalidates it.
    """
    try:
        user = User.objects.filter(pk=int(urlsafe_base64_decode(uid)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return user if user is not None and default_token_generator.check_token(user, token) else None
