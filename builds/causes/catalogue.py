"""Every cause of a failed build. `docs/causes.md` is made from this list; codes are never renamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builds.imaging.reporting import Fault
from environments.definition.findings.marked import gettext_noop as _


@dataclass(frozen=True, slots=True)
class Entry:
    """A cause: its code, a title, whose fault it is as a rule, what it means, what to do.

    `shown_at` says which line of the log shows it where none tells it in words. What is `of_a_tool` came out of a
    command that a Dockerfile runs, so that more than one cause may be in its words.
    """

    code: str
    title: str
    fault: Fault
    why: str
    help: str
    shown_at: Literal["error", "last line", "beginning"] = "error"
    of_a_tool: bool = False


_ENTRIES = (
    # -- packages ----------------------------------------------------------------------------------
    Entry("package-not-found", _("Package not found"), "author",
         _("No index or channel that was searched has a package of this name."),
         _("Check the spelling, and that the index or channel that has it is listed."), of_a_tool=True),
    Entry("no-matching-distribution", _("No matching distribution"), "author",
         _("The package is there, but not in this version, or not for this Python and platform."),
         _("Check the package's name and version, and that it exists for the Python of the base image."), of_a_tool=True),
    Entry("no-matching-python", _("Not for this Python"), "author",
         _("A package does not run on the Python of the base image."),
         _("Take a base image with another Python, or another version of the package.")),
    Entry("no-matching-version", _("No such version"), "author",
         _("No channel has the package in the requested version."),
         _("Choose a version that exists.")),
    Entry("uploaded-too-late", _("Uploaded too late"), "author",
         _("The definition or the workspace's policy takes only packages uploaded before a time, which "
           "leaves no version that fits."),
         _("Choose an older version, a later date or a smaller age, or except the package: `name: any`.")),
    Entry("no-upload-time", _("No upload time"), "author",
         _("An index, channel or address doesn't give upload times, and the definition or the workspace's "
           "policy needs them."),
         _("Take the package from an index that gives upload times, or except the package or the index: "
           "`name: any`.")),
    Entry("conflict", _("Conflict"), "author",
         _("Two packages need versions of a third that exclude each other."),
         _("Loosen or change one of the pins."), of_a_tool=True),
    Entry("bad-spec", _("Not a requirement"), "author",
         _("A line that should name a package can't be read."),
         _("Correct the requirement, such as numpy==1.26.4."), of_a_tool=True),
    Entry("policy", _("Stopped by the policy"), "author",
         _("The image breaks a rule of the workspace's policy, so it wasn't published."),
         _("Change what the rule names, or ask an owner of the workspace for an exception.")),
    Entry("package-gone", _("Package gone"), "outside",
         _("An index lists a file that it does not hand out."),
         _("Build again, or pin another version.")),
    Entry("package-clash", _("Packages clash"), "author",
         _("A wheel has a file where another has a folder."),
         _("Leave one of them out.")),
    Entry("bad-package", _("Damaged package"), "outside",
         _("A package's file is damaged, or not what its format says."),
         _("Pin another version, or report it to the publisher.")),
    Entry("bad-wheel", _("Unusable wheel"), "outside",
         _("A wheel is damaged, or not what its name says."),
         _("Pin another version, or report it to its maintainers.")),
    Entry("no-checksum", _("No checksum"), "outside",
         _("A package can't be verified, as its index gives no checksum."),
         _("Take it from an index that gives checksums.")),
    Entry("digest-mismatch", _("Wrong checksum"), "outside",
         _("What was downloaded has another checksum than its index or registry says."),
         _("Build again. If it happens again, the file was changed on the way: report it to the server's "
           "admin.")),
    Entry("resolve-failed", _("Not resolved"), "outside",
         _("The solver gave up for a reason of its own."),
         _("See the solver's text in the log.")),
    Entry("conda-failed", _("conda failed"), "outside",
         _("The solver for conda packages gave up for a reason of its own."),
         _("See the solver's text in the log.")),
    Entry("post-link-script", _("Post-link script"), "author",
         _("A conda package's own script, run in a container once the package is installed, failed or had no"
           " engine to run in."),
         _("Read the lines before the failure; see that a Docker Engine is reached, or leave the package "
           "out.")),
    Entry("pre-link-script", _("Pre-link script"), "author",
         _("A conda package needs to run a script of its own before it is installed."),
         _("Leave the package out, take it from the package index, or install it in a Dockerfile.")),
    # -- building ----------------------------------------------------------------------------------
    Entry("compile-failed", _("Compilation failed"), "author",
         _("A compiler, or a header that it needs, is missing or fails."),
         _("Install a compiler and headers first (apt-get install build-essential), or take a wheel."), "last line", of_a_tool=True),
    Entry("missing-command", _("Missing command"), "author",
         _("A command is not in the image at that step."),
         _("Install what the command needs in a step before it, or check how it is spelled."), "last line", of_a_tool=True),
    Entry("command-failed", _("Command failed"), "author",
         _("A command ended with an exit code other than 0."),
         _("See the lines above for the cause."), "last line", of_a_tool=True),
    Entry("apt-failed", _("apt-get failed"), "author",
         _("apt-get did not find or could not install a package."),
         _("Run apt-get update before apt-get install in the same RUN, and check the names of the packages."), of_a_tool=True),
    Entry("copy-not-found", _("File to copy not found"), "author",
         _("COPY or ADD names a file that the build context lacks."),
         _("Add the file to the build context, correct its path, or see what .dockerignore leaves out."), "beginning"),
    Entry("add-failed", _("Address of ADD not fetched"), "author",
         _("A file that ADD gets by its address can't be fetched."),
         _("Correct the address, put the file into the build context, or fetch it in a RUN."), "beginning"),
    Entry("dockerfile-invalid", _("Dockerfile not readable"), "author",
         _("The Dockerfile breaks its grammar."),
         _("Correct it and save it again.")),
    Entry("buildkit-needed", _("Too new a Dockerfile"), "author",
         _("The Dockerfile uses a part of its language that this Docker Engine does not have."),
         _("Write it without, or have a newer engine installed.")),
    Entry("build-failed", _("Build failed"), "author",
         _("The Docker Engine ended the build with an error of its own."),
         _("Correct the step, and build again."), "beginning"),
    # -- the base ----------------------------------------------------------------------------------
    Entry("base-not-found", _("Base image not found"), "author",
         _("The registry has no image of this name and tag."),
         _("Check its name and tag; a private one needs credentials.")),
    Entry("base-gone", _("Base image gone"), "studio",
         _("An image that a build starts from is no longer whole in the store."),
         _("Build again; the image it starts from may have to be built first.")),
    Entry("image-not-found", _("Image not found"), "author",
         _("The studio has no such image that this workspace may build on."),
         _("Check the name, or ask its workspace to let everyone pull it.")),
    Entry("base-unfit", _("Unfit base image"), "author",
         _("The base image lacks what packages need."),
         _("Choose another base image.")),
    Entry("base-too-old", _("Base image too old"), "author",
         _("The base image's C library is older than packages are made for."),
         _("Choose a base image with glibc 2.17 or newer.")),
    Entry("no-python", _("No Python"), "author",
         _("The base image has no Python."),
         _("Choose a base image with Python.")),
    Entry("python-unfit", _("Unfit Python"), "author",
         _("The base image's Python can't be used."),
         _("Choose another base image.")),
    Entry("other-python", _("Another Python"), "author",
         _("The definition, or each package that it locks, is for other Pythons than the base image or conda"
           " brings."),
         _("Take a base image with a Python that the definition is for, or name one among the conda "
           "packages.")),
    Entry("too-many-layers", _("Too many layers"), "author",
         _("Engines take 127 layers, and the image would have more."),
         _("Take a base image with fewer layers.")),
    Entry("bad-layer", _("Damaged layer"), "outside",
         _("A layer of the base image can't be read."),
         _("Choose another base image, or push this one again.")),
    Entry("bad-manifest", _("Damaged manifest"), "outside",
         _("The registry describes the base image in a form that can't be read."),
         _("Choose another base image, or push this one again.")),
    Entry("bad-digest", _("Not a digest"), "outside",
         _("A layer's checksum can't be read."),
         _("Choose another base image, or push this one again.")),
    Entry("bad-reference", _("Not a reference"), "author",
         _("The name of an image can't be read."),
         _("Write it as registry/name:tag.")),
    Entry("blob-missing", _("Layer missing"), "outside",
         _("The registry does not have all of the image."),
         _("Push the image again.")),
    # -- outside -----------------------------------------------------------------------------------
    Entry("registry-unreachable", _("Registry unreachable"), "outside",
         _("The container registry does not answer."),
         _("Check the registry's address and the studio's network, and build again."), of_a_tool=True),
    Entry("registry-refused", _("Registry refuses"), "author",
         _("The container registry needs other credentials, or denies access."),
         _("Add the workspace's connection to it, or correct it."), of_a_tool=True),
    Entry("index-unreachable", _("Index unreachable"), "outside",
         _("The package index does not answer, or not with packages."),
         _("The Docker Engine's containers do not reach that address: check it, and the engine's network."), of_a_tool=True),
    Entry("index-refused", _("Index refuses"), "author",
         _("The package index needs other credentials, or denies access."),
         _("Check the credentials of the workspace's connection to it."), of_a_tool=True),
    Entry("channel-unreachable", _("Channel unreachable"), "outside",
         _("A conda channel does not answer."),
         _("Check its address and the studio's network, and build again.")),
    Entry("channel-refused", _("Channel refuses"), "author",
         _("A conda channel needs other credentials, or denies access."),
         _("Check the credentials of the workspace's connection to it.")),
    Entry("channel-not-found", _("Channel not found"), "author",
         _("There is no conda channel at that address."),
         _("Check how the channel is spelled.")),
    Entry("address-refused", _("Address not reached"), "author",
         _("The definition names an address inside the studio's own network, which members can't use."),
         _("Choose an address that everyone reaches, or ask an admin to allow it (STUDIO_ALLOW_ADDRESSES).")),
    Entry("endless-answer", _("Too much of an answer"), "author",
         _("An index or a channel sent more than any of them needs, or did not end."),
         _("Use another index or channel, or report it to its operator.")),
    Entry("timeout", _("Took too long"), "outside",
         _("Something did not answer or did not end within its time."),
         _("Build again later."), "last line", of_a_tool=True),
    # -- the studio --------------------------------------------------------------------------------
    Entry("out-of-memory", _("Out of memory"), "author",
         _("A command was killed, most likely because it ran out of memory (exit code 137)."),
         _("Do less at once, or ask an admin for more memory (STUDIO_BUILD_MEMORY)."), "last line", of_a_tool=True),
    Entry("disk-full", _("Disk full"), "studio",
         _("There is no room for the build's files."),
         _("Ask an admin to free space for the Docker Engine. Then build again."), "last line", of_a_tool=True),
    Entry("disk-limit", _("Over the limit for disk"), "author",
         _("The build wrote more than its workspace allows."),
         _("Request fewer or smaller packages, or choose a smaller base image."), "last line"),
    Entry("connections-unreadable", _("Connections unreadable"), "studio",
         _("The connections of the workspace are encrypted with a key that this studio does not have."),
         _("Ask an admin to add that key to STUDIO_ENCRYPTION_KEYS.")),
    Entry("worker-died", _("Worker died"), "studio",
         _("The process that built was killed, several times."),
         _("Most often the machine ran out of memory. Look at the last lines of the log and at the machine, "
           "then retry.")),
    Entry("cannot-confine", _("Worker cannot confine"), "studio",
         _("The worker cannot confine the processes that read packages, or the network of code in "
           "containers."),
         _("Run workers on Linux 6.7 or newer, or unset STUDIO_REQUIRE_CONFINEMENT.")),
    Entry("engine-unreachable", _("No Docker Engine"), "studio",
         _("Dockerfiles need a Docker Engine, and none answers."),
         _("Start Docker, or set DOCKER_HOST to its address.")),
    Entry("engine-lost", _("Docker Engine lost"), "studio",
         _("The Docker Engine hung up in the middle of its work."),
         _("See whether it was stopped or ran out of memory, and build again.")),
    Entry("engine-failed", _("Docker Engine failed"), "studio",
         _("The Docker Engine could not do what was requested."),
         _("Build again. If it happens again, see the engine's own log.")),
    Entry("packing-failed", _("Packing failed"), "studio",
         _("A process that makes layers ended with an error."),
         _("Build again. If it happens again, report it to an admin.")),
    Entry("studio-error", _("The studio's own error"), "studio",
         _("The studio made an error while it built."),
         _("Retry. If it happens again, give an admin the build's id.")),
    Entry("cancelled", _("Cancelled"), "author",
         _("No one waits for the build any longer."),
         _("Build it again when you need it.")),
)  # fmt: skip

CATALOGUE = {entry.code: entry for entry in _ENTRIES}
