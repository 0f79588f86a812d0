"""The findings about what a build would run into: unknown packages, bases and engines out of reach."""

from __future__ import annotations

from environments.definition.findings.finding import Entry
from environments.definition.findings.marked import gettext_noop as _

OF_BUILDS = (
    Entry("import-name", "warning", _("Import name instead of a package"),
         _("“{what}” is what programs import, not the name of the package."),
         _("Some packages are imported under another name than they are installed by."),
         _("Write {meant}."),
         hint=_("Did you mean “{meant}”?")),
    Entry("package-unknown", "warning", _("Package not found"),
         _("Package “{what}” was not found."),
         _("The package index or the conda channels that builds use have no package of this name, so a build fails."),
         _("Correct the name, or add the index that has it."),
         hint=_("Did you mean “{meant}”?")),
    Entry("version-unknown", "warning", _("Version not found"),
         _("{what} has no version {version}. The newest is {newest}."),
         _("The package index that builds use does not list this version, so a build fails."),
         _("Choose a version that exists, or add the index that has it.")),
    Entry("local-version", "warning", _("Local version without its index"),
         _("{what} {version} is not on the default package index."),
         _("Versions with a + are published on the index of their makers only."),
         _("Add the index that has it: --extra-index-url {index}")),
    Entry("engine-missing", "warning", _("Docker Engine out of reach"),
         _("Dockerfiles need a Docker Engine, and none is reachable."),
         _("The studio builds Dockerfiles with a Docker Engine; packages on a base image need none."),
         _("Ask an admin to start one, or use a base image with packages instead.")),
    Entry("base-unreachable", "warning", _("Registry out of reach"),
         _("Can't reach {host} ({why})."),
         _("The build starts by fetching the base image from this registry."),
         _("Check the base image's name, or ask an admin about the network.")),
    Entry("base-unknown", "warning", _("Base image not found"),
         _("{host} has no image {image}."),
         _("The build starts by fetching the base image from this registry."),
         _("Check its name and tag.")),
    Entry("base-refused", "warning", _("Base image without access"),
         _("{host} doesn't let the studio fetch {image}."),
         _("Private images need credentials, and some registries answer the same for images that don't exist."),
         _("Check its name, or add a connection to {host} under Settings → Connections.")),
    Entry("last-build-failed", "warning", _("Line of the last failure"),
         _("The last build failed here: {what}."),
         _("The build of the version that you are editing stopped at this line."),
         _("Change the line, and build again.")),
)  # fmt: skip
