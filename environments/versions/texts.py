"""A version's definition as texts to read: as it was given, and written anew for comparing."""

from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.translation import gettext as _

from environments.definition import Definition, write
from environments.definition.secrets import masked, masked_script
from environments.definition.write import CannotWrite
from environments.models import Version

EDITABLE = ("v2-yaml", "requirements", "dockerfile")


@dataclass(frozen=True)
class Text:
    """One text of a definition, with the secrets in it masked (rule 44)."""

    title: str
    text: str


def texts_of(version: Version) -> list[Text]:
    """Return the Dockerfile, the packages and the text as it was given."""
    definition = version.definition
    texts = []
    if definition.dockerfile_text:
        texts.append(Text("Dockerfile", masked_script(definition.dockerfile_text)))
    if definition.python.conda or definition.python.channels:
        texts.append(
            Text(
                _("Conda file"),
                masked(written(definition, "conda-env") or "\n".join(definition.python.conda)),
            )
        )
    elif definition.python.pip:
        texts.append(Text(_("Requirements"), masked("\n".join(definition.python.pip))))
    if version.source and version.source.strip() not in {text.text.strip() for text in texts}:
        texts.append(Text(_("As it was given"), masked_script(version.source)))
    return texts


def written(definition: Definition, format: str) -> str:
    """Return the definition in a format; empty where the format cannot say it all."""
    try:
        return write(definition, format)
    except CannotWrite:
        return ""


def text_to_edit(version: Version) -> str:
    """Return the text to begin with: as it was given, else written in a format that can say it."""
    if version.source.strip():
        return version.source
    for format in EDITABLE:
        text = written(version.definition, format)
        if text:
            return text
    return ""


def whole_text(version: Version) -> str:
    """Return the definition in one form for all, so that two can be laid side by side."""
    return masked_script(written(version.definition, EDITABLE[0]) or version.source)


@dataclass(frozen=True)
class Side:
    """A line of two texts side by side; a number is None where that side has no line."""

    old_number: int | None
    old: str
    new_number: int | None
    new: str
    same: bool


def side_by_side(old: str, new: str) -> list[Side]:
    """Return two texts line by line, what is the same in one row."""
    before, after = old.splitlines(), new.splitlines()
    rows: list[Side] = []
    for tag, old_from, old_to, new_from, new_to in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        for step in range(max(old_to - old_from, new_to - new_from)):
            left = old_from + step if old_from + step < old_to else None
            right = new_from + step if new_from + step < new_to else None
            rows.append(
                Side(
                    None if left is None else left + 1,
                    "" if left is None else before[left],
                    None if right is None else right + 1,
                    "" if right is None else after[right],
                    tag == "equal",
                )
            )
    return rows
