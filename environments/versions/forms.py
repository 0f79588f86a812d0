"""The forms of environments: what people type, checked and kept."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext

from environments.models import Version, Workspace


def asked_for(request: HttpRequest, name: str) -> str:
    """Return what an address says under this name, without the NUL that no database text can hold."""
    return request.GET.get(name, "").replace("\0", "").strip()


class TagsField(forms.CharField):
    """Tags as people type them: `team=forecasting, stage=test`, by commas or one a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=2000, **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        """Return the tags as a mapping; a word without `=` is a tag without a value."""
        return read_tags(str(super().clean(value)))


def read_tags(text: str) -> dict[str, str]:
    """Return what `a=1, b` says as {"a": "1", "b": ""}."""
    tags: dict[str, str] = {}
    for part in re.split(r"[,\n]", text):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name and value:
            raise ValidationError(
                gettext("“%(tag)s” has no name before the “=”. Write name=value.") % {"tag": part.strip()}
            )
        if len(name) > 100 or len(value) > 400:
            raise ValidationError(gettext("A tag's name has up to 100 characters, its value up to 400."))
        if name:
            tags[name] = value
    return tags


def write_tags(tags: dict[str, str]) -> str:
    """Return tags as `read_tags` reads them."""
    return ", ".join(f"{name}={value}" if value else name for name, value in tags.items())


class DescribeForm(forms.Form):
    """What may change in a version: its description and tags (rule 30)."""

    description = forms.CharField(required=False, max_length=5000)
    tags = TagsField()


class WorkspaceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A workspace, by the title that the pages give it."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.title)


class DefinitionForm(forms.Form):
    """A definition, pasted or given as a file, and what it is to be called."""

    workspace = WorkspaceField(Workspace.objects.none(), to_field_name="name", empty_label=None)
    text = forms.CharField(required=False, strip=False, max_length=5_000_000)
    filename = forms.CharField(required=False, max_length=255)
    file = forms.FileField(required=False, allow_empty_file=True)
    # No rules here: the service says what is wrong with a name or a version, the same for all doors.
    name = forms.CharField(required=False)
    version = forms.CharField(required=False)
    description = forms.CharField(required=False, max_length=5000)
    tags = TagsField()

    def __init__(
        self, *args: Any, workspaces: Any = None, fixed: Version | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if fixed is not None:
            del self.fields["workspace"], self.fields["name"]
        else:
            self.fields["workspace"].queryset = workspaces  # type: ignore[attr-defined]
