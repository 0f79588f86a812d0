"""Pack the logs of ended builds: a few compressed rows instead of thousands of chunks.

Cursors and line numbers do not change. Each run of chunks becomes a block in one transaction, from the start of
the log: a studio that dies in between leaves a complete log, packed in part.
"""

import uuid

from django.db import transaction

from builds.logs.reading import pack_chunks
from builds.models import ACTIVE, Build, LogBlock, LogChunk

BLOCK_CHARACTERS = 1024 * 1024
_CHUNKS = 2_000


def pack_log(build_id: uuid.UUID) -> int:
    """Pack the log of a build that has ended; return the number of new blocks."""
    blocks = 0
    while _pack_next(build_id):
        blocks += 1
    return blocks


def pack_logs_of_ended(limit: int = 20) -> int:
    """Pack the logs of ended builds whose workers did not, as they died; return how many."""
    loose = LogChunk.objects.exclude(build__state__in=ACTIVE).order_by()
    ids = list(loose.values_list("build_id", flat=True).distinct()[:limit])
    for build_id in ids:
        pack_log(build_id)
    return len(ids)


@transaction.atomic
def _pack_next(build_id: uuid.UUID) -> bool:
    # The lock admits one packer; a build that runs, or runs again, is skipped.
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
        packed=pack_chunks(run),
    )
    LogChunk.objects.filter(build_id=build_id, seq__gte=first.seq, seq__lte=last.seq).delete()
    return True
