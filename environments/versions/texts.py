"""A version's definition as texts: the source, and a canonical form for comparison."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from environments.definition import Definition, write
from environments.definition.findings.secrets import masked, masked_script
from environments.definition.writing.write import CannotWrite
from environments.models import Version

EDITABLE = ("v2-yaml", "requirements", "dockerfile")


@dataclass(frozen=True)
class DefinitionText:
    """A text of a definition, with its secrets masked (rule 44)."""

    title: str
    text: str


def texts_of(version: Version) -> list[DefinitionText]:
    """Return the Dockerfile, the packages and the source."""
    definition = version.definition
    texts = []
    if definition.dockerfile_text:
        texts.append(DefinitionText("Dockerfile", masked_script(definition.dockerfile_text)))
    if definition.python.conda or definition.python.channels:
        texts.append(
            DefinitionText(
                _("Conda file"),
                masked(write_or_empty(definition, "conda-env") or "\n".join(definition.python.conda)),
            )
        )
    elif definition.python.pip:
        texts.append(DefinitionText(_("Requirements"), masked("\n".join(definition.python.pip))))
    if version.source and version.source.strip() not in {text.text.strip() for text in texts}:
        texts.append(DefinitionText(_("As it was given"), masked_script(version.source)))
    return texts


def write_or_empty(definition: Definition, format: str) -> str:
    """Return the definition in a format; empty if the format cannot express all of it."""
    try:
        return write(definition, format)
    except CannotWrite:
        return ""


def text_to_edit(version: Version) -> str:
    """Return the text for the editor: the source, else the first format that can express it."""
    if version.source.strip():
        return version.source
    for format in EDITABLE:
        text = write_or_empty(version.definition, format)
        if text:
            return text
    return ""


def canonical_text(version: Version) -> str:
    """Return the definition in a canonical form, for comparison side by side."""
    return masked_script(write_or_empty(version.definition, EDITABLE[0]) or version.source)


@dataclass(frozen=True)
class ComparableTexts:
    """The texts of two versions in one format, with their secrets masked (rule 44)."""

    old: str
    new: str
    converted: bool
    """Whether they are the definitions written as YAML, as the versions were given in different formats."""


def comparable_texts(old: Version, new: Version) -> ComparableTexts:
    """Return two versions' texts as they were given, if both have the same format; else both as YAML."""
    if old.source.strip() and new.source.strip() and old.source_format == new.source_format:
        return ComparableTexts(masked_script(old.source), masked_script(new.source), converted=False)
    return ComparableTexts(canonical_text(old), canonical_text(new), converted=True)
