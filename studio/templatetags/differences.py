"""Template filters for differences between versions, between images, and between texts."""

from django import template
from django.utils.translation import gettext, ngettext

from builds.images.diff import ResolvedDifference
from environments.definition import Difference
from environments.definition.difference import PackageChange, count_changes
from studio.labels import CHANGE_COUNTS, LEVELS
from studio.sentences import in_language
from studio.templatetags.studio import size

register = template.Library()


@register.filter
def summary(difference: Difference | ResolvedDifference) -> str:
    """Return what differs in a line, in the reader's language: “2 upgraded, 1 added · needs a new image”."""
    if isinstance(difference, ResolvedDifference):
        if difference.same_image:
            return gettext("Same image")
        changes = [PackageChange(c.name, c.ecosystem, c.change, c.old, c.new) for c in difference.packages]
        return ", ".join(_counts(changes)) or gettext("Same packages")
    phrases = _counts(difference.packages)
    if len(difference.other) == 1:
        phrases.append(in_language(difference.other[0].text))
    elif difference.other:
        count = len(difference.other)
        phrases.append(
            ngettext("%(count)d other change", "%(count)d other changes", count) % {"count": count}
        )
    if not phrases:
        phrases = [
            gettext("No differences") if difference.same_hash else gettext("Same content in another form")
        ]
        if difference.same_hash:
            return phrases[0]
    outcome = gettext("same image") if difference.same_hash else gettext("needs a new image")
    return f"{', '.join(phrases)} · {outcome}"


@register.filter
def counts(by_kind: dict[str, int]) -> str:
    """Return numbers of changed packages in a line: “2 upgraded, 1 added”."""
    return ", ".join(_phrases(by_kind))


def _counts(changes: list[PackageChange] | tuple[PackageChange, ...]) -> list[str]:
    return _phrases(count_changes(changes))


def _phrases(by_kind: dict[str, int]) -> list[str]:
    return [str(CHANGE_COUNTS[kind] % {"count": count}) for kind, count in by_kind.items()]


@register.filter
def bytes_apart(count: int) -> str:
    """Return a difference in bytes without its sign: 711 kB."""
    return size(abs(count))


@register.filter
def level_label(level: str) -> str:
    """Return the label of a step between two versions: major, minor, patch."""
    return str(LEVELS.get(level, level))
