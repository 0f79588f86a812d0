"""One-time links, made by `studio.preparation.login_path`: each signs one person in, once."""

from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.utils.http import urlsafe_base64_decode


def person_of(uid: str, token: str) -> User | None:
    """Return whom a link signs in; None when it is spent, too old or made up.

    The token holds the time of the last sign-in, so that using it spends it.
    """
    try:
        user = User.objects.filter(pk=int(urlsafe_base64_decode(uid)), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return user if user is not None and default_token_generator.check_token(user, token) else None
