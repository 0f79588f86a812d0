"""The commands `inspect`, `diff` and `convert`: they need no server and no Django."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from environments.definition.difference import Difference, diff_readings
from environments.definition.findings import secrets
from environments.definition.findings.finding import Finding
from environments.definition.findings.result import Offers, Reading
from environments.definition.fixes import fix_all, with_fixes
from environments.definition.model import HOST, Selection
from environments.definition.packages import cutoffs
from environments.definition.reading.read import read, read_changed, read_path
from environments.definition.writing.write import FORMATS, CannotWrite, left_out, write_reading

ACCEPTED, FAILED, REFUSED = 0, 1, 2


def main(argv: Sequence[str], out: TextIO | None = None) -> int:
    """Run one of the commands with these arguments; the exit code is 0, 1 (no such file) or 2 (refused)."""
    arguments = _parser().parse_args(list(argv))
    stream = out or sys.stdout
    try:
        return int(arguments.run(arguments, stream))
    except BrokenPipeError:
        # The reader has closed the pipe (`… | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        print(f"{error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="manage.py", description="Read, compare and convert definitions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser("inspect", help="say what a definition is, and what is wrong with it")
    inspect.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, folder or archive; - is standard input"
    )
    inspect.add_argument("--json", action="store_true", help="one JSON object a path, one on each line")
    inspect.add_argument("--base", default=HOST, metavar="IMAGE", help="base image of files that name none")
    inspect.add_argument(
        "--fix", action="store_true", help="apply the safe fixes to the files; the changes are printed first"
    )
    add_choice(inspect)
    inspect.set_defaults(run=_inspect)
    compare = commands.add_parser(
        "diff", help="say what differs between two definitions, locks or package lists"
    )
    compare.add_argument("old", metavar="A")
    compare.add_argument("new", metavar="B")
    compare.add_argument("--json", action="store_true", help="one JSON object")
    add_choice(compare)
    compare.set_defaults(run=_diff)
    convert = commands.add_parser("convert", help="write a definition in another format")
    convert.add_argument("path", metavar="PATH")
    convert.add_argument(
        "--to", required=True, choices=sorted(FORMATS), metavar="FORMAT", help=", ".join(sorted(FORMATS))
    )
    convert.add_argument("--output", metavar="FILE", help="the file to write instead of standard output")
    add_choice(convert)
    convert.set_defaults(run=_convert)
    return parser


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Take the part of a project to read: one option for each field of `Selection`."""
    part = parser.add_argument_group("part of a project", "its default where none of these is given")
    part.add_argument("--environment", default="", metavar="NAME", help="one of its environments")
    part.add_argument("--extra", action="append", default=[], metavar="NAME", help="an extra; repeatable")
    part.add_argument("--group", action="append", default=[], metavar="NAME", help="a group; repeatable")
    part.add_argument(
        "--no-group", action="append", default=[], metavar="NAME", help="a group to leave out; repeatable"
    )
    part.add_argument(
        "--no-default-groups", action="store_true", help="leave out the default groups that no --group names"
    )
    part.add_argument(
        "--ignore-lock", action="store_true", help="solve the versions again instead of reading the lock"
    )
    part.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="NAME",
        help="build for linux/amd64 or linux/arm64, regardless of the file; repeat it for one image of both",
    )


def choice_from(options: Mapping[str, Any]) -> Selection:
    """Return the part of a project that these options name."""
    return Selection(
        environment=options["environment"],
        extras=tuple(dict.fromkeys(options["extra"])),
        groups=tuple(dict.fromkeys(options["group"])),
        no_groups=tuple(dict.fromkeys(options["no_group"])),
        no_default_groups=options["no_default_groups"],
        ignore_lock=options["ignore_lock"],
        platforms=tuple(sorted({*options["platform"]})),
    )


def _read(path: str, arguments: argparse.Namespace, default_image: str = HOST) -> Reading:
    selection = choice_from(vars(arguments))
    if path == "-":
        return read(sys.stdin.buffer.read(), default_image=default_image, selection=selection)
    return read_path(Path(path), default_image=default_image, selection=selection)


def _inspect(arguments: argparse.Namespace, out: TextIO) -> int:
    code = ACCEPTED
    for path in arguments.paths:
        try:
            reading = _with_fixes(path, arguments, out)
        except OSError as error:
            if len(arguments.paths) == 1:
                raise
            print(f"{path}: {error.strerror or error}", file=sys.stderr)
            code = max(code, FAILED)
            continue
        if arguments.json:
            report = reading_json(reading)
            if len(arguments.paths) > 1:
                report = {"path": path, **report}
            print(json.dumps(report, ensure_ascii=False), file=out)
        else:
            print(_inspected(path, reading), file=out)
        code = max(code, ACCEPTED if reading.accepted else REFUSED)
    return code


def _with_fixes(path: str, arguments: argparse.Namespace, out: TextIO) -> Reading:
    """Read a file with the fixes of its findings; with `--fix`, print and write what the safe ones make of it."""
    reading = _read(path, arguments, arguments.base)
    text = _text_to_fix(path)
    if text is None:
        return reading

    def reread(text: str) -> Reading:
        selection = choice_from(vars(arguments))
        return read_changed(text, Path(path), default_image=arguments.base, selection=selection)

    reading = with_fixes(reading, text, reread)
    if not arguments.fix:
        return reading
    fixed, reading = fix_all(reading, text, reread)
    if fixed != text:
        if not arguments.json:
            lines = difflib.unified_diff(
                text.splitlines(), fixed.splitlines(), path, f"{path} (fixed)", lineterm=""
            )
            out.writelines(f"{_printable(line)}\n" for line in lines)
        Path(path).write_bytes(fixed.encode())
    return reading


def _text_to_fix(path: str) -> str | None:
    """Return the text of a file; None for a folder, an archive, standard input and what is no text."""
    if path == "-" or not Path(path).is_file():
        return None
    try:
        return Path(path).read_bytes().decode()
    except UnicodeDecodeError:
        return None


def reading_json(reading: Reading) -> dict[str, object]:
    """The outcome of reading as `inspect --json` prints it."""
    definition = reading.definition
    shown = None if definition is None else secrets.masked_values(definition.model_dump(mode="json"))
    return {
        "accepted": reading.accepted,
        "format": reading.format,
        "hash": definition.hash if definition else None,
        "kind": definition.kind if definition else None,
        "name": reading.name,
        "version": reading.version,
        "description": reading.description,
        "tags": reading.tags,
        "definition": shown,
        "offers": offers_json(reading.offers),
        "selection": None if definition is None else definition.selection.model_dump(mode="json"),
        "findings": [finding.as_json() for finding in reading.findings],
    }


def offers_json(offers: Offers) -> dict[str, object] | None:
    """Return the names that a project offers, and its default; None where there is no choice."""
    if not offers:
        return None
    return {
        "environments": list(offers.environments),
        "extras": list(offers.extras),
        "groups": list(offers.groups),
        "default": offers.default.model_dump(mode="json"),
    }


def _inspected(path: str, reading: Reading) -> str:
    definition = reading.definition
    if definition is None:
        lines = [f"{path}: refused ({reading.format})"]
    else:
        python = definition.python
        packages = f"{len(python.conda)} conda and {len(python.pip)} pip packages"
        lines = [f"{path}: {reading.format}, {packages}, hash {definition.hash}"]
        lines.append(f"  base: {_printable(_base(reading))}")
        chosen = _printable(str(definition.selection))
        lines += [f"  read: {chosen}"] if chosen else []
        if stated := str(definition.target):
            lines.append(f"  target: {stated}")
        if limit := cutoffs.in_words(**definition.cutoff.model_dump()):
            lines.append(f"  uploads: {_printable(limit)}")
        lines += [
            f"  index of {_printable(name)}: {_printable(secrets.masked(url))}"
            for name, url in sorted(python.package_indexes.items())
        ]
    if reading.offers:
        lines.append(f"  offers: {_printable(_offers(reading.offers))}")
    lines += [_finding(path, finding) for finding in reading.findings]
    return "\n".join(lines)


def _offers(offers: Offers) -> str:
    named = {
        "environments": offers.environments,
        "extras": offers.extras,
        "groups": offers.groups,
    }
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in named.items() if names)


def _base(reading: Reading) -> str:
    definition = reading.definition
    if definition is None or definition.image is not None:
        return definition.image or "" if definition else ""
    if definition.dockerfile is not None:
        return "Dockerfile"
    files = definition.context.files if definition.context else ()
    return f"build context of {len(files)} files"


def _finding(path: str, finding: Finding) -> str:
    path_label = finding.file or path
    if finding.line is not None:
        path_label += f":{finding.line}" + (f":{finding.column}" if finding.column is not None else "")
    text = f"  {_printable(path_label)}: {finding.severity}: {_printable(finding.message)} [{finding.code}]"
    text += f"\n    {_printable(finding.help)}"
    if finding.fix is not None:
        safe = " (safe: --fix applies it)" if finding.fix.safe else ""
        text += f"\n    Fix: {_printable(finding.fix.label)}{safe}"
    return text


def _printable(text: str) -> str:
    """Nothing that a terminal would obey: a file may hold escape sequences."""
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _diff(arguments: argparse.Namespace, out: TextIO) -> int:
    old, new = _read(arguments.old, arguments), _read(arguments.new, arguments)
    code = ACCEPTED
    for path, reading in ((arguments.old, old), (arguments.new, new)):
        if not reading.accepted and not reading.packages:
            for error in reading.errors:
                print(_finding(path, error), file=sys.stderr)
            code = REFUSED
    if code != ACCEPTED:
        return code
    difference = diff_readings(old, new)
    if arguments.json:
        print(json.dumps(difference.as_json(), ensure_ascii=False), file=out)
    else:
        print(_difference_text(difference), file=out)
    return ACCEPTED


def _difference_text(difference: Difference) -> str:
    lines = [difference.summary]
    for package in difference.packages:
        versions = " → ".join(part for part in (package.old, package.new) if part)
        lines.append(
            _printable(f"  {package.change:<11} {package.name} ({package.ecosystem}) {versions}".rstrip())
        )
    for other in difference.other:
        values = " → ".join(_printable(part.replace("\n", " ⏎ ")) for part in (other.old, other.new) if part)
        lines.append(f"  {_printable(other.text)}" + (f": {values}" if values else ""))
    return "\n".join(lines)


def _convert(arguments: argparse.Namespace, out: TextIO) -> int:
    reading = _read(arguments.path, arguments)
    if not reading.accepted:
        for error in reading.errors:
            print(_finding(arguments.path, error), file=sys.stderr)
        return REFUSED
    try:
        text = write_reading(reading, arguments.to)
    except CannotWrite as reason:
        print(f"{arguments.path}: {reason}", file=sys.stderr)
        return REFUSED
    lost = left_out(reading, arguments.to)
    if lost:
        print(f"{arguments.path}: {arguments.to} has no place for: {', '.join(lost)}", file=sys.stderr)
    if arguments.output:
        Path(arguments.output).write_text(text, encoding="utf-8")
    else:
        out.write(text)
    return ACCEPTED
