"""`manage.py doctor`: what is wrong with this studio, and what to do."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from studio.management.base import StudioCommand
from studio.operations.checks import Level, examine


class Command(StudioCommand):
    """Look at every part, and say of each how it is."""

    help = "Look at every part of the studio. Exit code 0: all is well, 1: warnings, 2: something is wrong."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how to look, and how to tell."""
        parser.add_argument("--deep", action="store_true", help="read every blob of every image")
        parser.add_argument("--json", action="store_true", help="tell it as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell each finding as soon as it is there, and exit with the worst."""
        findings = []
        for finding in examine(deep=options["deep"]):
            findings.append(finding)
            if not options["json"]:
                self.stdout.write(f"{finding.level.word:8} {finding.part:9} {finding.message}")
                if finding.help:
                    self.stdout.write(f"{'':18} → {finding.help}")
                self.stdout.flush()
        worst = max((finding.level for finding in findings), default=Level.OK)
        if options["json"]:
            rows = [
                {"part": f.part, "level": f.level.word, "message": f.message, "help": f.help}
                for f in findings
            ]
            self.stdout.write(json.dumps({"level": worst.word, "findings": rows}, ensure_ascii=False))
        sys.exit(int(worst))
