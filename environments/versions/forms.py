"""Forms of environments and their versions."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext

from environments.definition.files.archive import LONGEST_PATH
from environments.definition.model import Selection
from environments.models import Version, Workspace
from environments.requests import StudioRequest
from environments.versions.input import texts_beside


def query_param(request: StudioRequest, name: str) -> str:
    """Return a query parameter, stripped."""
    return request.GET.get(name, "").strip()


class TagsField(forms.CharField):
    """Tags as typed: `team=forecasting, stage=test`, separated by commas or lines."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=2000, **kwargs)

    def clean(self, value: Any) -> dict[str, str]:
        """Return the tags as a mapping; without `=`, a tag has no value."""
        return read_tags(str(super().clean(value)))


def read_tags(text: str) -> dict[str, str]:
    """Parse tags: `a=1, b` is {"a": "1", "b": ""}."""
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
    """Return tags in the form that `read_tags` parses."""
    return ", ".join(f"{name}={value}" if value else name for name, value in tags.items())


class DescribeForm(forms.Form):
    """The editable fields of a version: its description and tags (rule 30)."""

    description = forms.CharField(required=False, max_length=5000)
    tags = TagsField()


class WorkspaceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of workspaces by their titles."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.title)


def selection_in(values: QueryDict) -> Selection:
    """Return the chosen part of a project, by the fields of the form: of the default groups, some may not be chosen."""
    groups = tuple(dict.fromkeys(values.getlist("groups")))
    return Selection(
        environment=values.get("environment", ""),
        extras=tuple(dict.fromkeys(values.getlist("extras"))),
        groups=groups,
        no_groups=tuple(
            name for name in dict.fromkeys(values.getlist("default_groups")) if name not in groups
        ),
        ignore_lock=values.get("ignore_lock") == "yes",
        platforms=tuple(sorted({*filter(None, values.get("platforms", "").split(","))})),
    )


def beside_in(values: QueryDict, start: Version | None) -> dict[str, str]:
    """Return the texts of the files beside the definition's: from the form, else from the version it starts from."""
    held = texts_beside(start) if start is not None and "beside" in values else {}
    texts = {path: values.get(f"beside:{path}", held.get(path)) for path in values.getlist("beside")}
    return {
        path: text.replace("\r\n", "\n")
        for path, text in texts.items()
        if text is not None and 0 < len(path) <= LONGEST_PATH
    }


class DefinitionForm(forms.Form):
    """A definition, pasted or uploaded, and its name."""

    workspace = WorkspaceField(Workspace.objects.none(), to_field_name="name", empty_label=None)
    text = forms.CharField(required=False, strip=False, max_length=5_000_000)
    filename = forms.CharField(required=False, max_length=1000)
    file = forms.FileField(required=False, allow_empty_file=True)
    # The service checks names and versions, the same for pages, API and commands.
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
