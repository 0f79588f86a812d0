"""Measure findings and fixes: `python -m bench.studio.findings [--corpus FOLDER …]`. Prints numbers, asserts none.

How many findings have fixes, how many fixes leave a text without their finding, how many definitions that surely fail
are warned about while they are written, how many that build are warned about without need, and how long a check takes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from pathlib import Path

from environments.definition import Reading, read
from environments.definition.fixes import apply_fix, with_fixes
from tests.environments.definition.fixes.broken import BROKEN
from tests.studio.defining.definitions import BUILDING, FAILING, PREDICTING

LARGEST = 400_000


def checked(text: str, name: str) -> Reading:
    """Return the reading of a text with its fixes, as the editor gets it."""
    return with_fixes(read(text, name), text, lambda changed: read(changed, name))


def texts(folders: list[Path]) -> list[tuple[str, str]]:
    """Return names and texts: the broken examples, and the files of the folders."""
    result = [(name, text) for _, _, name, text, _ in BROKEN]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size <= LARGEST:
                try:
                    result.append((path.name, path.read_bytes().decode()))
                except UnicodeDecodeError:
                    continue
    return result


def fixes(folders: list[Path]) -> None:
    """Print how many findings have fixes, and how many of the fixes do what they promise."""
    findings, fixed, verified, changed_lines, taken = Counter[str](), Counter[str](), 0, Counter[int](), []
    for name, text in texts(folders):
        start = time.perf_counter()
        reading = checked(text, name)
        taken.append((time.perf_counter() - start) * 1000)
        for finding in reading.findings:
            findings[finding.code] += 1
            if finding.fix is None:
                continue
            fixed[finding.code] += 1
            new = apply_fix(text, finding.fix)
            after = read(new, name)
            less = sum(f.code == finding.code for f in after.findings) < sum(
                f.code == finding.code for f in reading.findings
            )
            verified += less and not {e.code for e in after.errors} - {e.code for e in reading.errors}
            old_lines, new_lines = Counter(text.splitlines()), Counter(new.splitlines())
            changed_lines[max((old_lines - new_lines).total(), (new_lines - old_lines).total())] += 1
    kinds = len(fixed)
    print(f"{len(taken)} files, {findings.total()} findings of {len(findings)} kinds")
    print(f"{fixed.total()} fixes of {kinds} kinds; {verified} leave a text without their finding")
    print(f"lines that a fix changes: {dict(sorted(changed_lines.items()))}")
    taken.sort()
    print(
        f"a check with its fixes: median {statistics.median(taken):.1f} ms,"
        f" 90th percentile {taken[int(len(taken) * 0.9)]:.1f} ms, longest {taken[-1]:.1f} ms"
    )


def without_network() -> None:
    """Print which failing definitions the text alone gives away; the tests add index, registry and engine."""
    warned = [case for case, (name, text) in FAILING.items() if predicted(text, name)]
    needless = [case for case, (name, text) in BUILDING.items() if predicted(text, name)]
    print(f"{len(warned)} of {len(FAILING)} failing definitions are warned about by their text alone")
    print(f"{len(needless)} of {len(BUILDING)} building definitions are warned about without need {needless}")
    print("with index, registry and engine: pytest tests/studio/defining/test_early.py")


def predicted(text: str, name: str) -> bool:
    """Whether a reading says that a build will fail."""
    text = text.replace("{registry}", "registry.example").replace("{nowhere}", "nowhere.example")
    return any(f.severity == "error" or f.code in PREDICTING for f in read(text, name).findings)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.findings", description=__doc__)
    options.add_argument("--corpus", type=Path, nargs="*", default=[], help="folders of real files")
    fixes(options.parse_args().corpus)
    without_network()


if __name__ == "__main__":
    main()
