"""An upload as a folder that a definition is read from."""

from collections.abc import Iterator, Mapping

from environments.definition.files.folder import FileEntry, Folder
from environments.errors import ServiceError
from environments.models import UploadedBlob, Workspace
from environments.stored_files import FileStore


class UploadedFolder:
    """The files of an upload below a folder of it, read from the store when they are needed."""

    def __init__(self, files: dict[str, UploadedBlob]) -> None:
        self._files = files
        self._store = FileStore()

    def read(self, path: str, limit: int) -> bytes | None:
        row = self._files.get(path)
        return None if row is None else self._store.read(row.digest, limit + 1)

    def files(self, below: str = "") -> Iterator[FileEntry]:
        start = f"{below}/" if below else ""
        for path in sorted(self._files):
            if path.startswith(start):
                yield FileEntry(path[len(start) :], 0o644, self._files[path].size)

    def names(self) -> list[str]:
        return sorted(path for path in self._files if "/" not in path)


class WithContext:
    """A few texts, and beside them a build context in a folder of its own."""

    def __init__(self, texts: Mapping[str, bytes], name: str, context: Folder) -> None:
        self._texts, self._name, self._context = texts, name, context

    def read(self, path: str, limit: int) -> bytes | None:
        folder, _, inner = path.partition("/")
        if folder == self._name:
            return self._context.read(inner, limit)
        text = self._texts.get(path)
        return None if text is None else text[: limit + 1]

    def files(self, below: str = "") -> Iterator[FileEntry]:
        folder, _, inner = below.partition("/")
        if folder == self._name:
            yield from self._context.files(inner)

    def names(self) -> list[str]:
        return sorted(self._texts)


def uploaded_folder(workspace: Workspace, path: str) -> UploadedFolder:
    """Return the uploaded files below a path, such as `LocalUpload/<hash>/context`. Raises ServiceError.

    The client marks an upload as completed before it saves a version with it.
    """
    path = path.strip("/")
    upload = "/".join(path.split("/")[:2])
    rows = list(UploadedBlob.objects.filter(workspace=workspace, upload=upload, block=""))
    files = {row.name[len(path) + 1 :]: row for row in rows if row.name.startswith(f"{path}/")}
    if not files:
        raise ServiceError(
            "upload-missing",
            f"{workspace} has no upload {path[:200]}. Uploads are kept for a short time only.",
            "Send the build context again.",
        )
    if not any(row.completed for row in rows):
        raise ServiceError(
            "upload-unfinished", f"The upload {path[:200]} isn't finished.", "Send the build context again."
        )
    clash = next((name for name in files for folder in _folders_of(name) if folder in files), None)
    if clash is not None:
        raise ServiceError(
            "upload-clash",
            f"The folder of {clash[:200]} was also uploaded as a file.",
            "Remove either of them.",
        )
    return UploadedFolder(files)


def _folders_of(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
