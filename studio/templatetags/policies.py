"""Template filters for hits of a policy: their sentences in the reader's language."""

from django import template
from django.utils.translation import gettext, pgettext_lazy

from builds.policies.evaluate import Hit

register = template.Library()

SEVERITIES = {
    "unknown": pgettext_lazy("a severity", "unknown"),
    "low": pgettext_lazy("a severity", "low"),
    "medium": pgettext_lazy("a severity", "medium"),
    "high": pgettext_lazy("a severity", "high"),
    "critical": pgettext_lazy("a severity", "critical"),
}


@register.filter
def hit_message(hit: Hit) -> str:
    """Return what breaks a rule, in the reader's language."""
    values = dict(hit.values)
    if "severity" in values:
        values["severity"] = str(SEVERITIES.get(values["severity"], values["severity"]))
    return gettext(hit.template) % values


@register.filter
def hit_help(hit: Hit) -> str:
    """Return what to do about it, in the reader's language."""
    return gettext(hit.help)
