"""Hits of a policy's rules, as images and proposals show them."""

from typing import Any

from rest_framework import serializers as s

from builds.models import RuleName
from builds.policies.evaluate import Hit


class PolicyHit(s.Serializer[Any]):
    """A hit: an image that breaks a rule."""

    rule = s.ChoiceField(choices=RuleName.values)
    level = s.ChoiceField(choices=["warn", "block"])
    message = s.CharField()
    help = s.CharField()
    package = s.CharField(allow_blank=True)
    version = s.CharField(allow_blank=True)
    advisory = s.CharField(allow_blank=True)
    starts_on = s.DateField(allow_null=True, help_text="The day from which it blocks, if it doesn't yet.")


def hit_row(hit: Hit) -> dict[str, Any]:
    """Return a hit for HitOut."""
    names = ("rule", "level", "message", "help", "package", "version", "advisory", "starts_on")
    return {name: getattr(hit, name) for name in names}
