"""The log of a build that has ended, packed: a few compressed rows instead of thousands of chunks.

Cursors and line numbers stay as they are. Each run of chunks becomes a block in one transaction, from the
beginning of the log on, so that a studio which dies in between leaves a log that is whole, and packed in part.
"""

import uuid

from django.db import transaction

from builds.logs.reading import packed
from builds.models import ACTIVE, Build, LogBlock, LogChunk

BLOCK_CHARACTERS = 1024 * 1024
_CHUNKS = 2_000


def pack_log(build_id: uuid.UUID) -> int:
    """Pack the log of a build that has ended; return how many blocks were made."""
    made = 0
    while _pack_next(build_id):
        made += 1
    return made


def pack_logs_of_ended(most: int = 20) -> int:
    """Pack logs that nobody packed because a worker died; return how many."""
    loose = LogChunk.objects.exclude(build__state__in=ACTIVE).order_by()
    ids = list(loose.values_list("build_id", flat=True).distinct()[:most])
    for build_id in ids:
        pack_log(build_id)
    return len(ids)


@transaction.atomic
def _pack_next(build_id: uuid.UUID) -> bool:
    # Whoever holds the row packs; a build that runs (again) is left alone.
    if not Build.objects.select_for_update().filter(pk=build_id).exclude(state__in=ACTIVE).first():
        return False
    run: list[LogChunk] = []
    size = 0
    for chunk in LogChunk.objects.filter(build_id=build_id).order_by("seq")[:_CHUNKS]:
        if run and size + len(chunk.text) > BLOCK_CHARACTERS:
            break
        run.append(chunk)
        size += len(chunk.text)
    if not run:
        return False
    first, last = run[0], run[-1]
    LogBlock.objects.create(
        build_id=build_id,
        first_seq=first.seq,
        last_seq=last.seq,
        first_line=first.first_line,
        last_line=last.first_line + last.text.count("\n") - 1,
        packed=packed(run),
    )
    LogChunk.objects.filter(build_id=build_id, seq__gte=first.seq, seq__lte=last.seq).delete()
    return True
