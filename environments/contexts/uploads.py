"""Receive the files of an upload, within the limits of a build context and of the workspace.

A file or block is there whole or not at all. An upload ends with the metadata that the client sets last
(`upload_status: completed`); from then on its files no longer change.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from environments.contexts.names import BlobName
from environments.definition.files.limits import Limits, size_text
from environments.errors import ConflictError, ServiceError
from environments.models import UploadedBlob, Workspace
from environments.stored_files import FileStore, FileWriter

LIMITS = Limits()
MOST_BLOCKS = 5_000  # of an upload, staged
_MOST_METADATA = 8 << 10


class TooLarge(ServiceError):
    """More than a limit allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class WrongLength(ServiceError):
    """Another number of bytes arrived than was announced, or other bytes."""


class BlockMissing(ServiceError):
    """A list of blocks that names a block that never arrived."""


class BlobExists(ConflictError):
    """The file exists, and the request was to create it."""


class UploadCompleted(ConflictError):
    """The upload has ended: a version may have been saved with it."""


def blob(workspace: Workspace, name: BlobName) -> UploadedBlob | None:
    """Return an uploaded file; None if there is none."""
    return UploadedBlob.objects.filter(workspace=workspace, name=name.name, block="").first()


def put_blob(
    workspace: Workspace,
    name: BlobName,
    chunks: Iterable[bytes],
    *,
    length: int | None,
    user: User,
    metadata: Mapping[str, str] | None = None,
    only_new: bool = False,
    md5: bytes = b"",
) -> UploadedBlob:
    """Receive a file of `length` bytes. Raises ServiceError."""
    check_length(length)
    _check_open(workspace, name)
    if only_new and blob(workspace, name):
        raise _exists(name)
    with FileStore().writer() as writer:
        receive(writer, chunks, length, md5)
        return _save(workspace, name, writer, user=user, metadata=metadata, only_new=only_new)


def put_block(
    workspace: Workspace,
    name: BlobName,
    block: str,
    chunks: Iterable[bytes],
    *,
    length: int | None,
    user: User,
    md5: bytes = b"",
) -> UploadedBlob:
    """Receive a block, which becomes part of a file by `put_block_list`. Raises ServiceError."""
    check_length(length)
    _check_open(workspace, name)
    with FileStore().writer() as writer:
        receive(writer, chunks, length, md5)
        return _save(workspace, name, writer, user=user, block=block)


def put_block_list(
    workspace: Workspace,
    name: BlobName,
    blocks: Sequence[str],
    *,
    user: User,
    metadata: Mapping[str, str] | None = None,
    only_new: bool = False,
) -> UploadedBlob:
    """Make a file of blocks, in this order. Raises ServiceError."""
    staged = {
        row.block: row for row in _rows(workspace, name.upload).filter(name=name.name).exclude(block="")
    }
    missing = next((block for block in blocks if block not in staged), None)
    if missing is not None:
        raise BlockMissing("block-missing", f"Block {missing} hasn't arrived.", "Send all blocks again.")
    size = sum(staged[block].size for block in blocks)
    check_length(size)
    _check_open(workspace, name)
    store = FileStore()
    with store.writer() as writer:
        for block in blocks:
            for chunk in store.chunks(staged[block].digest):
                writer.write(chunk)
        return _save(workspace, name, writer, user=user, metadata=metadata, only_new=only_new)


@transaction.atomic
def set_metadata(workspace: Workspace, name: BlobName, metadata: Mapping[str, str]) -> UploadedBlob | None:
    """Replace a file's metadata, which may end its upload; return None if there is no such file."""
    _lock(workspace)
    row = blob(workspace, name)
    if row is None:
        return None
    _check_metadata(metadata)
    if row.completed:
        if dict(metadata) != row.metadata:
            raise _completed(name)
        return row
    _check_open(workspace, name)
    row.metadata, row.completed = dict(metadata), _completes(metadata)
    row.save(update_fields=["metadata", "completed"])
    if row.completed:
        _rows(workspace, name.upload).exclude(block="").delete()
    return row


def receive(writer: FileWriter, chunks: Iterable[bytes], length: int | None, md5: bytes = b"") -> None:
    """Write what arrives. Raises ServiceError if it is too much, or not what was announced."""
    # No matter of security: clients that send a checksum expect that it is compared.
    digest = hashlib.md5(usedforsecurity=False) if md5 else None
    for chunk in chunks:
        writer.write(chunk)
        if digest:
            digest.update(chunk)
        check_length(writer.size)
    if length is not None and writer.size != length:
        raise WrongLength(
            "wrong-length", f"{writer.size} bytes arrived instead of {length}.", "Send the file again."
        )
    if digest and digest.digest() != md5:
        raise WrongLength("wrong-checksum", "The file arrived with another checksum.", "Send the file again.")


def check_length(length: int | None) -> None:
    """Raise TooLarge for more than a whole build context may have."""
    if length is not None and length > LIMITS.context:
        raise TooLarge(
            "too-large",
            f"The file has {size_text(length)}; a build context has up to {size_text(LIMITS.context)}.",
            "Leave large files out with a line in .amlignore.",
        )


def forget_old(workspace: Workspace | None = None) -> int:
    """Delete the rows of uploads to which nothing was added for `STUDIO_UPLOAD_HOURS`; return how many."""
    before = _oldest()
    rows = UploadedBlob.objects.all()
    if workspace is not None:
        rows = rows.filter(workspace=workspace)
    uploads = rows.order_by().values("workspace", "upload").annotate(last=Max("created_at"))
    count = 0
    for old in uploads.filter(last__lt=before):
        with transaction.atomic():
            of_it = UploadedBlob.objects.filter(workspace=old["workspace"], upload=old["upload"])
            if not of_it.filter(created_at__gte=before).exists():
                count += of_it.delete()[0]
    return count


def kept_uploads() -> QuerySet[UploadedBlob]:
    """Return the files and blocks of the uploads that are not old."""
    same = UploadedBlob.objects.filter(workspace=OuterRef("workspace"), upload=OuterRef("upload"))
    return UploadedBlob.objects.filter(Exists(same.filter(created_at__gte=_oldest())))


def _oldest() -> datetime:
    return timezone.now() - timedelta(hours=settings.UPLOAD_HOURS)


def _save(
    workspace: Workspace,
    name: BlobName,
    writer: FileWriter,
    *,
    user: User,
    block: str = "",
    metadata: Mapping[str, str] | None = None,
    only_new: bool = False,
) -> UploadedBlob:
    """Write the row and commit the file, while nobody else uploads to the workspace."""
    _check_metadata(metadata or {})
    with transaction.atomic():
        _lock(workspace)
        _check_open(workspace, name)
        before = UploadedBlob.objects.filter(workspace=workspace, name=name.name)
        replaced = before.filter(block=block) if block else before  # a file takes the room of its blocks
        if only_new and before.filter(block="").exists():
            raise _exists(name)
        _check_room(workspace, name, writer.size, replaced, block)
        replaced.delete()
        row = UploadedBlob.objects.create(
            workspace=workspace,
            upload=name.upload,
            name=name.name,
            block=block,
            digest=writer.digest,
            size=writer.size,
            metadata=dict(metadata or {}),
            completed=_completes(metadata or {}),
            created_by=user,
        )
        writer.commit()
    return row


def _check_room(
    workspace: Workspace, name: BlobName, size: int, replaced: QuerySet[UploadedBlob], block: str
) -> None:
    """Raise TooLarge if the upload or the workspace's uploads would pass a limit."""
    gone = replaced.aggregate(size=Sum("size"), files=Count("pk", filter=Q(block="")))
    of_it = _rows(workspace, name.upload).aggregate(
        size=Sum("size"), files=Count("pk", filter=Q(block="")), blocks=Count("pk", filter=~Q(block=""))
    )
    if (of_it["size"] or 0) - (gone["size"] or 0) + size > LIMITS.context:
        limit = size_text(LIMITS.context)
        raise TooLarge(
            "too-large",
            f"The upload is larger than the limit of {limit} for a build context.",
            "Leave large files out with a line in .amlignore.",
        )
    if block and of_it["blocks"] >= MOST_BLOCKS:
        raise TooLarge(
            "too-large",
            f"The upload has more than {MOST_BLOCKS} blocks that are in no file yet.",
            "Send larger blocks, or the list of those that arrived.",
        )
    if of_it["files"] - gone["files"] + (not block) > LIMITS.context_files:
        raise TooLarge(
            "too-large",
            f"The upload has more than {LIMITS.context_files} files.",
            "Leave files out with a line in .amlignore.",
        )
    if settings.UPLOAD_BYTES and _used(workspace) - (gone["size"] or 0) + size > settings.UPLOAD_BYTES:
        forget_old(workspace)
        if _used(workspace) - (gone["size"] or 0) + size > settings.UPLOAD_BYTES:
            raise TooLarge(
                "uploads-full",
                f"The uploads to {workspace} have reached the limit of {size_text(settings.UPLOAD_BYTES)}.",
                f"Uploads are forgotten after {settings.UPLOAD_HOURS:g} hours. Try later, or ask an admin.",
            )


def _used(workspace: Workspace) -> int:
    return UploadedBlob.objects.filter(workspace=workspace).aggregate(size=Sum("size"))["size"] or 0


def _rows(workspace: Workspace, upload: str) -> QuerySet[UploadedBlob]:
    return UploadedBlob.objects.filter(workspace=workspace, upload=upload)


def _lock(workspace: Workspace) -> None:
    """Wait for other uploads to the workspace."""
    Workspace.objects.select_for_update().get(pk=workspace.pk)


def _check_open(workspace: Workspace, name: BlobName) -> None:
    if _rows(workspace, name.upload).filter(completed=True).exists():
        raise _completed(name)


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if sum(len(key) + len(value) for key, value in metadata.items()) > _MOST_METADATA:
        raise TooLarge("too-large", "The file's metadata has more than 8 kB.")


def _completes(metadata: Mapping[str, str]) -> bool:
    return metadata.get("upload_status") == "completed"


def _exists(name: BlobName) -> BlobExists:
    return BlobExists("blob-exists", f"{name} exists.", "Send it without If-None-Match to replace it.")


def _completed(name: BlobName) -> UploadCompleted:
    return UploadCompleted(
        "upload-completed", f"The upload {name.upload} is completed.", "Its files no longer change."
    )
