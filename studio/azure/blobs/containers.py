"""Containers: each workspace has one for its uploads, and a URL into it is a build context."""

import re
from urllib.parse import unquote, urlsplit

import yaml

from environments.contexts.folder import UploadedFolder, WithContext, uploaded_folder
from environments.definition.model import BuildContext
from environments.errors import ServiceError
from environments.models import Workspace
from environments.versions.input import read_beside
from environments.versions.service import accepted_definition
from studio.azure.addresses import workspace_guid

# The SDK uploads to `<account>.blob.<suffix>/<container>/…`, and leaves the account out of the context's URL.
ACCOUNT = r"(?P<account>[^/\0]+\.blob\.[^/\0]+)"
CONTAINER = r"(?P<container>azureml-blobstore-[0-9a-f-]{36})"
CONTEXT = "context"
_UPLOAD = re.compile(
    rf"https?://[^/]+/(?:[^?#]*/)?blobstore/(?:{ACCOUNT}/)?{CONTAINER}/(?P<path>.+)", re.DOTALL
)


def container_of(workspace: Workspace) -> str:
    """Return the name of the container that a workspace's build contexts are uploaded to."""
    return f"azureml-blobstore-{workspace_guid(workspace)}"


def is_upload(uri: str) -> bool:
    """Return whether a `contextUri` leads to an upload, not to a repository or anywhere else."""
    return _UPLOAD.fullmatch(uri) is not None


def context_folder(uri: str, workspace: Workspace) -> UploadedFolder:
    """Return the files of the upload that a `contextUri` leads to. Raises ServiceError.

    It must be an upload to the workspace that the version is saved in: others are as good as missing.
    """
    match = _UPLOAD.fullmatch(uri)
    if match is None or match["container"] != container_of(workspace):
        raise ServiceError(
            "upload-missing",
            f"There is no such upload to {workspace}.",
            "Send the build context to the workspace that the environment is saved in.",
        )
    try:
        return uploaded_folder(workspace, match["path"])
    except ServiceError:
        # Some clients write the path percent-encoded.
        decoded = unquote(urlsplit(match["path"]).path)
        if decoded == match["path"]:
            raise
        return uploaded_folder(workspace, decoded)


def uploaded_context(uri: str, dockerfile: str, workspace: Workspace) -> BuildContext | None:
    """Return the build context that a `contextUri` leads to, with the limits and checks of any. Raises ServiceError."""
    text = yaml.safe_dump({"build": {"path": CONTEXT, "dockerfile_path": dockerfile}})
    folder = WithContext({}, CONTEXT, context_folder(uri, workspace))
    return accepted_definition(read_beside(text, "environment.yml", folder).reading).context
