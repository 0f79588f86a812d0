"""The log of a build: chunks while it is written, blocks after it has ended."""

from typing import ClassVar

from django.db import models

from builds.models.builds import Build


class LogChunk(models.Model):
    """Consecutive whole lines of a build's log. The table is append-only; `seq` is a viewer's cursor."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="chunks")
    seq = models.PositiveIntegerField()
    step = models.CharField(max_length=20, blank=True)
    first_line = models.PositiveIntegerField()
    text = models.TextField()
    at = models.DateTimeField(null=True, help_text="When it was written, by the database's clock.")

    class Meta:
        ordering = ["seq"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["build", "seq"], name="logchunk_seq_uniq")]

    def __str__(self) -> str:
        return f"{self.build_id} #{self.seq}"


class LogBlock(models.Model):
    """Consecutive chunks of a finished log, compressed into one row; `builds.logs` reads both alike."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="blocks")
    first_seq = models.PositiveIntegerField()
    last_seq = models.PositiveIntegerField()
    first_line = models.PositiveIntegerField()
    last_line = models.PositiveIntegerField()
    packed = models.BinaryField()

    class Meta:
        ordering = ["first_seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["build", "first_seq"], name="logblock_first_seq_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.build_id} #{self.first_seq} to #{self.last_seq}"
