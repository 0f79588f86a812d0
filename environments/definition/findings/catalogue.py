"""Every finding there is. `docs/findings.md` is made from this list; codes are never renamed."""

from __future__ import annotations

from dataclasses import dataclass

from environments.definition.findings.finding import Finding, Severity
from environments.definition.syntax.text import Placed
from environments.definition.syntax.tree import Mapping, Scalar, Sequence


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of finding: its code and severity, a title, the message, why it matters, what to do."""

    code: str
    severity: Severity
    title: str
    message: str
    why: str
    help: str


_ENTRIES = (
    # -- the file cannot be read -------------------------------------------------------------------
    Entry("not-a-definition", "error", "Not a definition", "this is {what}",
          "The content decides the format, and this content is none that defines an environment.",
          "Give an environment definition (JSON or YAML), a conda environment file, requirements, a lock, "
          "a Dockerfile, or a build context."),
    Entry("empty", "error", "Empty file", "there is nothing in this {what}",
          "An empty file says nothing about what to install; taking it as a definition would hide a mistake.",
          "Give the file that holds the definition."),
    Entry("empty-lock", "error", "Lock without packages", "this lock lists no packages",
          "A tool writes such a lock for a project whose dependencies are written for another tool: uv reads none of "
          "those of poetry or pixi.",
          "Write the lock with the project's own tool: `pixi workspace export conda-environment environment.yml`, or "
          "`poetry export --format requirements.txt --output requirements.txt`."),
    Entry("not-text", "error", "Not text", "this is not UTF-8 text: {what}",
          "Definitions are text. A byte that is no text usually means a damaged or a binary file.",
          "Save the file as UTF-8."),
    Entry("too-large", "error", "Over a size limit", "{what} is {size}; the limit is {limit}",
          "Limits keep one definition from taking the room and time of everybody else's.",
          "Make it smaller, or have the administrator raise the limit that is named."),
    Entry("bad-yaml", "error", "Not readable as YAML", "this is not YAML that can be read: {what}",
          "The file looks like YAML and breaks its grammar, or uses a part of YAML that is not allowed here "
          "(custom tags, very deep nesting, aliases that unfold without end).",
          "Correct the line that is named; a frequent cause is a tab or an indentation that does not fit."),
    Entry("bad-json", "error", "Not readable as JSON", "this is not JSON that can be read: {what}",
          "The file looks like JSON and breaks its grammar.",
          "Correct the line that is named; a frequent cause is a comma after the last value."),
    Entry("bad-toml", "error", "Not readable as TOML", "this is not TOML that can be read: {what}",
          "The file looks like TOML and breaks its grammar.", "Correct the line that is named."),
    Entry("bad-archive", "error", "Not a safe archive", "this archive cannot be taken: {what}",
          "An archive may not reach outside its own folder, hold links or devices, or unfold to more than the limits.",
          "Pack the build context again with plain files only."),
    Entry("wrong-shape", "error", "Something else was expected here", "{what} must be {expected}, and is {found}",
          "A value of the wrong kind cannot be read without guessing, and a wrong guess builds a wrong image.",
          "Write the value in the form that is named."),
    Entry("merge-conflict", "error", "Merge-conflict markers", "a merge conflict was left in the file: {what}",
          "Two versions of the file stand in it at once; which one is meant only its author knows.",
          "Resolve the conflict and remove the lines that begin with <<<<<<<, ======= and >>>>>>>."),
    Entry("duplicate-key", "error", "A key stands there twice", "{what} stands here a second time",
          "Most readers silently take the last one, so packages above it are lost.",
          "Join the two into one."),
    Entry("missing-key", "error", "A part is missing", "{what} is missing",
          "Without it the definition cannot be read.", "Add it."),
    # -- base --------------------------------------------------------------------------------------
    Entry("base-missing", "error", "No base", "there is no base image, Dockerfile or build context",
          "A definition stands on exactly one of the three (rule 36).",
          "Give `image`, a Dockerfile, or `build` with the path of a build context."),
    Entry("base-twice", "error", "More than one base", "{what} are both given",
          "A definition stands on exactly one of base image, Dockerfile and build context (rule 36).",
          "Remove all but one."),
    Entry("base-assumed", "note", "Base image filled in", "the file names no base image; {image} is used",
          "Package lists say what to install and not on what.", "Nothing, or choose another base image."),
    Entry("bad-image", "error", "Not an image reference", "{what}",
          "The base image cannot be looked up under this name.",
          "Write registry/name:tag, for example mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest."),
    Entry("base-floating", "warning", "Base image without tag or digest",
          "{image} has no fixed tag: it means whatever is newest at the time of the build",
          "When the tag moves, the next build of the same definition is a new image (rule 18).",
          "Name a tag other than latest, or a digest."),
    Entry("base-deprecated", "warning", "Deprecated base image", "{image} is no longer maintained: {why}",
          "An image without maintenance gets no security fixes, and may vanish from its registry.",
          "Move to a base image that is still patched."),
    Entry("dockerfile-no-from", "error", "Dockerfile without FROM", "the Dockerfile has no FROM instruction",
          "Nothing can be built without a base.", "Begin with FROM and a base image."),
    Entry("dockerfile-bad-instruction", "error", "Not a Dockerfile instruction",
          "{what} is not a Dockerfile instruction", "The build would stop at this line.",
          "Correct the keyword; a frequent cause is a missing backslash at the end of the line before."),
    Entry("dockerfile-missing", "error", "Build context without its Dockerfile",
          "the build context holds no {what}", "A context is built by its Dockerfile.",
          "Add the Dockerfile, or name the right one in dockerfile_path."),
    Entry("dockerfile-copies", "note", "Dockerfile that needs a build context",
          "the Dockerfile copies {what}, and it stands alone here",
          "A Dockerfile text is built with no files around it.",
          "Give the build context as a folder or an archive, or remove the instruction."),
    Entry("dockerfile-pip-next-to-conda", "warning", "pip in the Dockerfile next to conda packages",
          "the Dockerfile installs packages with pip while conda packages are given too",
          "Packages of the base are not visible in the isolated conda environment (rule 24).",
          "Move these packages into the pip section of the conda file."),
    # -- packages ----------------------------------------------------------------------------------
    Entry("bad-conda-spec", "error", "Not a conda match specification", "{what!r} is not a conda specification: {why}",
          "conda could not read it either.", "Write name, name=1.2, name>=1.2,<2 or channel::name."),
    Entry("bad-requirement", "error", "Not a pip requirement", "{what!r} is not a pip requirement: {why}",
          "pip could not read it either.", "Write name, name==1.2, name>=1.2,<2 or name @ https://…"),
    Entry("single-equals", "warning", "Single = in a pip requirement",
          "{what!r} has a single '=', which pip cannot read", "pip's sign is ==; a single = is conda's.",
          "Write {fixed}."),
    Entry("read-as-pip", "note", "pip's requirements, though a comment speaks of conda",
          "the lines are read as pip's requirements, though a comment speaks of conda",
          "== is pip's sign, and the file has the name or the versions of pip's; a comment decides nothing.",
          "Nothing; or, if conda is meant, write the packages in an environment.yml, as name=1.2."),
    Entry("unpinned-package", "note", "Unpinned package", "{what} has no exact version",
          "It keeps the version that is newest when the image is first built (rule 13).",
          "Pin it (== for pip, = for conda) where the exact version matters."),
    Entry("duplicate-package", "warning", "Package listed twice", "{what} is also listed on line {first}",
          "Two entries for one package are a conflict, or one of them is not what its author thinks.",
          "Remove one of them."),
    Entry("pip-without-pip", "warning", "pip section without pip",
          "there is a pip section, and pip is not among the conda packages",
          "conda then adds pip by itself, in a version that nobody chose.", "Add pip to the dependencies."),
    Entry("no-channel", "warning", "No channel", "conda packages are given and no channel to take them from",
          "The default channels depend on the machine, and their terms of use on the company.",
          "Add channels, for example conda-forge."),
    Entry("pip-misplaced", "warning", "pip's packages beside the dependencies", "the packages under {what} are not read here",
          "conda ignores a list named pip at the top of its file: the packages would be missing from the image.",
          "Move the list into dependencies, as `- pip:` with the packages below it."),
    Entry("python-missing", "warning", "No Python version", "the conda packages do not say which Python",
          "The newest Python is taken, which the other packages may not support yet.",
          "Add python with a version, for example python=3.12."),
    Entry("python-several", "warning", "Several Python versions", "python is listed more than once",
          "Only one Python can be installed.", "Keep one of them."),
    Entry("python-unsupported", "warning", "Python past its end of life", "Python {version} is unsupported since {date}",
          "It gets no security fixes, and new packages no longer come for it.", "Move to a newer Python."),
    Entry("python-near-end", "warning", "Python near its end of life", "Python {version} is supported until {date} only",
          "After that day it gets no security fixes.", "Plan the move to a newer Python."),
    Entry("template-placeholder", "warning", "Template placeholder", "{what} is a placeholder that nobody filled in",
          "The text between the braces is meant to be replaced before the file is used.",
          "Write the value that is meant."),
    Entry("unreadable-address", "warning", "Address that programs read differently", "an address cannot be used: {why}",
          "A build refuses it, as the solver might connect to another host than the one that people read.",
          "Write the host in plain ASCII, as https://host/path."),
    Entry("local-path", "warning", "Local path among the packages",
          "{what!r} is a path on somebody's machine, and no build takes it",
          "A build has only what is in the definition; a path outside it does not exist there.",
          "Write name==version if an index has it, give the address of a wheel, or install it in the Dockerfile of a "
          "build context that holds the files."),
    Entry("not-buildable", "warning", "Line that no build takes", "a build refuses {what!r}: {why}",
          "Nothing of a definition runs on the studio's machine: no repository is cloned, no source at a URL is "
          "built, and no variable is filled in.",
          "Write name==version if an index has it, give the address of a wheel, or install it in a Dockerfile."),
    Entry("option-ignored", "warning", "Option that counts for nothing here", "{what} has no effect on this line: {why}",
          "pip reads some options only on a line of their own, and passes over what follows the address of an index.",
          "Write the option on a line of its own, or leave it out."),
    Entry("project-left-out", "warning", "The project itself is left out", "{what} is a folder of the project, and left out",
          "A lock names the project beside its packages; an image gets the packages, and no files of the project.",
          "Nothing, or install the project in a Dockerfile; `uv export --no-emit-project` leaves it out itself."),
    Entry("build-string", "note", "Exact builds", "{count} packages are pinned to one exact build",
          "Builds differ between platforms and are removed from channels in time.",
          "Where the file should live long, export it without builds (conda env export --no-builds)."),
    # -- other files -------------------------------------------------------------------------------
    Entry("file-missing", "error", "File not there", "{what} is named here, and there is no such file",
          "What stands in that file is part of the definition.",
          "Give the folder or archive that holds both files, or write the content in place."),
    Entry("file-not-read", "warning", "File that is not read", "{what} lies beside {chosen}, and is not read",
          "A folder is read by one file of its own and the files that this names; other tools obey more of them.",
          "Move what it says into the file that is read, or into a Dockerfile."),
    Entry("outside-folder", "error", "Path outside the folder", "{what} leads out of the definition's folder",
          "A definition may only bring files that lie in its own folder.", "Move the file into the folder."),
    Entry("include-loop", "error", "Files that include one another", "{what} includes itself",
          "Such a list has no end.", "Remove one of the includes."),
    # -- secrets and run-time values ---------------------------------------------------------------
    Entry("secret-in-definition", "error", "Secret in the definition", "{what} holds a secret, which is not shown here",
          "Definitions are shared, shown and kept for ever; a secret in one has to be considered lost (rule 43).",
          "Take it out, change it where it is valid, and give it to the workspace under Settings → Connections."),
    Entry("secret-suspected", "warning", "Perhaps a secret", "{what} looks like a secret; it is masked where it is shown",
          "Whoever can read the definition or the image can read the value.",
          "Pass it at run time, or mount it as a build secret."),
    Entry("registry-credentials", "error", "Half of the registry's credentials",
          "a private registry takes user name and password both, or neither", "One without the other cannot log in (rule 42).",
          "Give both to the workspace under Settings → Connections, and none here."),
    Entry("bad-variable", "error", "Not the name of a variable", "{what!r} cannot be the name of a variable",
          "A container could not be started with it.",
          "Use letters, digits and '_', beginning with a letter or '_'."),
    Entry("variables-at-start", "note", "Variables are given when a container starts",
          "the image does not hold the variables {what}; they are given when a container starts",
          "Run-time variables are no part of what is built (rule 3): changing one needs no build.",
          "Nothing; or, if the build or the image itself needs them, write ENV in a Dockerfile."),
    Entry("variables-misplaced", "warning", "Run-time variables in the wrong place",
          "{what} is not read here; run-time variables belong to {where}",
          "Run-time variables are no part of what is built (rule 3).", "Move them."),
    Entry("unknown-key", "warning", "Unknown key", "{what} is not a key of this format{suggestion}",
          "What stands under it is not read; a spelling mistake would go unseen.", "Correct or remove it."),
    Entry("serving-defaults", "note", "Serving needs azureml-defaults",
          "azureml-defaults >= 1.0.45 is not among the pip packages",
          "The serving stack starts through that package (rule 40).",
          "Add azureml-defaults to the pip packages where the environment serves a model."),
    Entry("platform-windows", "warning", "Not Linux", "the definition asks for {what}",
          "Images are built for Linux here.", "Set os_type to linux."),
    Entry("user-managed-packages", "warning", "Packages that are not installed",
          "the environment is user-managed, so the packages listed are not installed",
          "With user-managed dependencies the image already holds everything (rule 22).",
          "Remove the packages, or make the environment system-managed."),
    Entry("spark-not-installed", "note", "Spark packages that are not installed", "{what} will not be in the image",
          "The image holds what conda, pip and the base bring; Spark fetches its own packages when a session starts.",
          "Name them where the session starts (spark.jars.packages), or put their files in by a Dockerfile."),
    Entry("other-platform", "note", "Packages for another platform", "{what} is for {platform} only, and left out",
          "Images are built for Linux here.", "Nothing."),
    Entry("comment-selector", "warning", "Selector in a comment", "{what} is marked [{selector}] for conda-lock, and is read all the same",
          "conda takes `# [win]` for a comment and installs the package on every platform; only conda-lock obeys it.",
          "Write sel(win): package, or keep packages of other platforms in a file of their own."),
    Entry("lock-categories", "note", "Several categories", "the lock holds the categories {what}; all of them are read",
          "A lock may hold optional packages for development or tests besides the main ones.",
          "Lock without the categories that the image should not hold."),
    Entry("lock-platforms", "note", "One platform of several", "the lock holds {what}; {platform} is read",
          "A definition is for one platform.", "Nothing, or set the platform."),
    # -- names -------------------------------------------------------------------------------------
    Entry("name-reserved", "error", "Reserved name", "names that begin with AzureML or Microsoft are for curated environments",
          "People must be able to tell by the name what the catalogue's curators stand for (rule 27).",
          "Choose another name."),
    Entry("name-invalid", "error", "Not a name", "{what!r} cannot be a name",
          "Names are part of addresses (rule 28).",
          "Use 1 to 255 letters, digits, '.', '_' and '-', beginning with a letter or digit."),
)  # fmt: skip

CATALOGUE = {entry.code: entry for entry in _ENTRIES}

At = Placed | Scalar | Sequence | Mapping | None


def finding(code: str, at: At = None, *, file: str = "", help: str = "", **values: object) -> Finding:
    """The finding with this code at this place, its message filled in with the values; `help` is better advice."""
    entry = CATALOGUE[code]
    return Finding(
        code,
        entry.severity,
        entry.message.format(**values),
        help or entry.help.format(**values),
        at.line if at is not None else None,
        at.column if at is not None else None,
        file or (at.file if isinstance(at, Placed) else ""),
    )
