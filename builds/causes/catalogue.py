"""Every cause of a failed build. `docs/causes.md` is made from this list; codes are never renamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from builds.imaging.reporting import Fault


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
    Entry("package-not-found", "Package not found", "author",
          "No index or channel that was asked has a package of this name.",
          "Check the spelling, and that the index or channel that has it is named.", of_a_tool=True),
    Entry("no-matching-distribution", "No matching distribution", "author",
          "The package is there, but not in this version, or not for this Python and platform.",
          "Check the package's name and version, and that it exists for the Python of the base image.", of_a_tool=True),
    Entry("no-matching-python", "Not for this Python", "author",
          "A package does not run on the Python of the base image.",
          "Take a base image with another Python, or another version of the package."),
    Entry("no-matching-version", "No such version", "author",
          "No channel has the package in the version that is asked for.", "Ask for a version that exists."),
    Entry("uploaded-too-late", "Uploaded too late", "author",
          "The definition or the workspace's policy takes only packages uploaded before a time, which leaves no version that fits.",
          "Ask for an older version, choose a later date or a smaller age, or except the package: `name: any`."),
    Entry("no-upload-time", "No upload time", "author",
          "An index, channel or address does not say when a package was uploaded, and the definition or the workspace's policy asks for it.",
          "Take the package from an index that gives upload times, or except the package or the index: `name: any`."),
    Entry("conflict", "Conflict", "author", "Two packages want versions of a third that exclude one another.",
          "Two packages want different versions of a third: loosen one of the pins.", of_a_tool=True),
    Entry("bad-spec", "Not a requirement", "author", "A line that should name a package cannot be read as one.",
          "Correct the requirement, such as numpy==1.26.4.", of_a_tool=True),
    Entry("package-gone", "Package gone", "outside", "An index lists a file that it does not hand out.",
          "Build again, or pin another version."),
    Entry("package-clash", "Packages clash", "author", "A wheel has a file where another has a folder.",
          "Leave one of them out."),
    Entry("bad-package", "Damaged package", "outside", "A package's file is not what its format says.",
          "Pin another version, or tell whoever publishes it."),
    Entry("bad-wheel", "Unusable wheel", "outside", "A wheel is damaged, or not what its name says.",
          "Pin another version, or tell its maintainers."),
    Entry("no-checksum", "No checksum", "outside", "A package cannot be verified, as nobody says what it should be.",
          "Take it from an index that gives checksums."),
    Entry("digest-mismatch", "Not what was promised", "outside",
          "What was downloaded has another checksum than its index or registry says.",
          "Build again; if it stays so, somebody changed it on the way: tell whoever runs that server."),
    Entry("resolve-failed", "Not resolved", "outside", "The solver gave up for a reason of its own.",
          "Its words are in the log."),
    Entry("conda-failed", "conda failed", "outside", "The solver for conda packages gave up for a reason of its own.",
          "Its words are in the log."),
    Entry("post-link-script", "Post-link script", "author",
          "A conda package's own script, run in a container once the package is installed, failed or had no engine to run in.",
          "Read the lines before the failure; see that a Docker Engine is reached, or leave the package out."),
    Entry("pre-link-script", "Pre-link script", "author",
          "A conda package wants to run a script of its own before it is installed.",
          "Leave the package out, take it from the package index, or install it in a Dockerfile."),
    # -- building ----------------------------------------------------------------------------------
    Entry("compile-failed", "Compilation failed", "author", "A compiler, or a header that it needs, is missing or fails.",
          "Install a compiler and headers first (apt-get install build-essential), or take a wheel.",
          "last line", of_a_tool=True),
    Entry("missing-command", "Missing command", "author", "A command is not in the image at that step.",
          "Install what the command needs in a step before it, or check how it is spelled.", "last line", of_a_tool=True),
    Entry("command-failed", "Command failed", "author", "A command ended with an exit code other than 0.",
          "The lines before this one say why.", "last line", of_a_tool=True),
    Entry("apt-failed", "apt-get failed", "author", "apt-get did not find or could not install a package.",
          "Run apt-get update before apt-get install in the same RUN, and check the names of the packages.",
          of_a_tool=True),
    Entry("copy-not-found", "File to copy not found", "author", "COPY or ADD names a file that the build context lacks.",
          "Add the file to the build context, correct its path, or see what .dockerignore leaves out.", "beginning"),
    Entry("add-failed", "Address of ADD not fetched", "author", "What ADD names by its address cannot be fetched.",
          "Correct the address, put the file into the build context, or fetch it in a RUN.", "beginning"),
    Entry("dockerfile-invalid", "Dockerfile not readable", "author", "The Dockerfile breaks its grammar.",
          "Correct it and save it again."),
    Entry("buildkit-needed", "Too new a Dockerfile", "author",
          "The Dockerfile uses a part of its language that this Docker Engine does not have.",
          "Write it without, or have a newer engine installed."),
    Entry("build-failed", "Build failed", "author", "The Docker Engine ended the build with an error of its own.",
          "Correct the step, and build again.", "beginning"),
    # -- the base ----------------------------------------------------------------------------------
    Entry("base-not-found", "Base image not found", "author", "The registry has no image of this name and tag.",
          "Check its name and tag; a private one needs credentials."),
    Entry("base-gone", "Base image gone", "studio", "An image that a build starts from is no longer whole in the store.",
          "Build again; the image it starts from may have to be built first."),
    Entry("image-not-found", "Image not found", "author",
          "The studio has no such image that this workspace may build on.",
          "Check the name, or have its workspace let everybody pull it."),
    Entry("base-unfit", "Unfit base image", "author", "The base image lacks what packages need.", "Take another base image."),
    Entry("base-too-old", "Base image too old", "author", "The base image's C library is older than packages are made for.",
          "Take a base image with glibc 2.17 or newer."),
    Entry("no-python", "No Python", "author", "The base image holds no Python.", "Take a base image with Python."),
    Entry("python-unfit", "Unfit Python", "author", "The base image's Python cannot be used.", "Take another base image."),
    Entry("other-python", "Another Python", "author",
          "The definition, or each package that it locks, is for other Pythons than the base image or conda brings.",
          "Take a base image with a Python that the definition is for, or name one among the conda packages."),
    Entry("too-many-layers", "Too many layers", "author", "Engines take 127 layers, and the image would have more.",
          "Take a base image with fewer layers."),
    Entry("bad-layer", "Damaged layer", "outside", "A layer of the base image cannot be read.",
          "Take another base image, or push this one again."),
    Entry("bad-manifest", "Damaged manifest", "outside", "The registry describes the base image in a form that is none.",
          "Take another base image, or push this one again."),
    Entry("bad-digest", "Not a digest", "outside", "What should name a layer by its checksum does not.",
          "Take another base image, or push this one again."),
    Entry("bad-reference", "Not a reference", "author", "What should name an image cannot be read as a name.",
          "Write it as registry/name:tag."),
    Entry("blob-missing", "Layer missing", "outside", "The registry does not have all of the image.",
          "Push the image again."),
    # -- outside -----------------------------------------------------------------------------------
    Entry("registry-unreachable", "Registry unreachable", "outside", "The container registry does not answer.",
          "Check its address and the studio's network, and build again.", of_a_tool=True),
    Entry("registry-refused", "Registry refuses", "author", "The container registry wants other credentials, or forbids it.",
          "Add or correct the workspace's connection to it.", of_a_tool=True),
    Entry("index-unreachable", "Index unreachable", "outside", "The package index does not answer, or not with packages.",
          "The Docker Engine's containers do not reach that address: check it, and the engine's network.", of_a_tool=True),
    Entry("index-refused", "Index refuses", "author", "The package index wants other credentials, or forbids it.",
          "Check the credentials of the workspace's connection to it.", of_a_tool=True),
    Entry("channel-unreachable", "Channel unreachable", "outside", "A conda channel does not answer.",
          "Check its address and the studio's network, and build again."),
    Entry("channel-refused", "Channel refuses", "author", "A conda channel wants other credentials, or forbids it.",
          "Check the credentials of the workspace's connection to it."),
    Entry("channel-not-found", "Channel not found", "author", "There is no conda channel at that address.",
          "Check how the channel is spelled."),
    Entry("address-refused", "Address not reached", "author",
          "The definition names an address inside the studio's own network, which members have no say over.",
          "Name an address that everybody reaches, or have it allowed (STUDIO_ALLOW_ADDRESSES)."),
    Entry("endless-answer", "Too much of an answer", "author",
          "An index or a channel sent more than any of them needs, or did not end.",
          "Name another index or channel, or tell whoever runs it."),
    Entry("timeout", "Took too long", "outside", "Something did not answer or did not end within its time.",
          "Build again later.", "last line", of_a_tool=True),
    # -- the studio --------------------------------------------------------------------------------
    Entry("out-of-memory", "Out of memory", "author", "A command was killed, most likely for want of memory (exit code 137).",
          "It was killed, most likely for want of memory: do less at once, or give more memory (STUDIO_BUILD_MEMORY).",
          "last line", of_a_tool=True),
    Entry("disk-full", "Disk full", "studio", "There is no room for what the build makes.",
          "Whoever runs this studio has to free space for the Docker Engine; then build again.", "last line", of_a_tool=True),
    Entry("disk-limit", "Over the limit for disk", "author", "The build wrote more than one of its workspace may.",
          "Ask for fewer or smaller packages, or take a smaller base image.", "last line"),
    Entry("connections-unreadable", "Connections unreadable", "studio",
          "The connections of the workspace are encrypted with a key that this studio does not have.",
          "Whoever runs this studio has to add that key to STUDIO_ENCRYPTION_KEYS."),
    Entry("worker-died", "Worker died", "studio", "The process that built was killed, several times.",
          "Most often the machine ran out of memory. Look at the last lines of the log and at the machine, then retry."),
    Entry("cannot-confine", "Worker cannot confine", "studio", "The worker cannot confine the processes that read packages, or the network of code in containers.",
          "Run workers on Linux 6.7 or newer, or unset STUDIO_REQUIRE_CONFINEMENT."),
    Entry("engine-unreachable", "No Docker Engine", "studio", "Dockerfiles are built by a Docker Engine, and none answers.",
          "Start Docker, or set DOCKER_HOST to where it listens."),
    Entry("engine-lost", "Docker Engine lost", "studio", "The Docker Engine hung up in the middle of its work.",
          "See whether it was stopped or ran out of memory, and build again."),
    Entry("engine-failed", "Docker Engine failed", "studio", "The Docker Engine could not do what it was asked for.",
          "Build again; if it stays so, the engine's own log tells more."),
    Entry("packing-failed", "Packing failed", "studio", "A process that makes layers ended with an error.",
          "Build again; if it stays so, tell whoever runs this studio."),
    Entry("studio-error", "The studio's own error", "studio", "The studio made an error while it built.",
          "Retry; if it happens again, give whoever runs this studio the build's id."),
    Entry("cancelled", "Cancelled", "author", "Nobody waits for the build any more.", "Build it again when it is wanted."),
)  # fmt: skip

CATALOGUE = {entry.code: entry for entry in _ENTRIES}
