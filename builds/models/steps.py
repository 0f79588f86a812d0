"""The steps of a build: their order, their names in rows and logs, and their labels on pages."""

from django.db import models
from django.utils.translation import gettext_lazy


class StepName(models.TextChoices):
    """A step of a build. The steps run in this order; `build` and `link` only when there is work for them."""

    BASE = "base", gettext_lazy("Base image")
    RESOLVE = "resolve", gettext_lazy("Resolve packages")
    FETCH = "fetch", gettext_lazy("Fetch packages")
    BUILD = "build", gettext_lazy("Build wheels")
    ASSEMBLE = "assemble", gettext_lazy("Assemble layers")
    LINK = "link", gettext_lazy("Run post-link scripts")
    VERIFY = "verify", gettext_lazy("Verify")
    STORE = "store", gettext_lazy("Store image")

    @property
    def position(self) -> int:
        """The step's position among all steps, from 1."""
        return list(StepName).index(self) + 1
