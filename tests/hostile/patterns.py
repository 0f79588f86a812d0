"""Find the regular expressions of the code base, and strings on which they take more than linear time.

Patterns of modules are those that importing them makes; patterns inside functions are read from their source.
Strings are made from each pattern: a prefix that matches its beginning, then many repetitions of what one of its
parts matches, then something that does not match.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any

PACKAGES = ("builds", "environments", "studio")
_METHODS = ("match", "search", "fullmatch", "finditer", "findall", "sub", "subn", "split")
_CALL = re.compile(rf"\b(\w+)\.({'|'.join(_METHODS)})\(")
_AT_START = {"match", "fullmatch"}
_LENGTHS = (16, 24, 300, 1200)
# Above this, a string is measured at two lengths; linear patterns take a tenth of it.
_SUSPICIOUS_SECONDS_A_SIGN = 4e-7
_SLOW = 8  # times as long on four times the length
_ENDS = ("", "\0", "!\n")
_SAMPLES = "aA0 \t\n.-_/=:\"'\\$"


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern, the module that holds it, and how that module applies it."""

    where: str
    compiled: re.Pattern[Any]
    at_start: bool

    def run(self, text: str) -> None:
        """Apply it to a string, or to its bytes."""
        data: Any = text.encode("latin-1", "replace") if isinstance(self.compiled.pattern, bytes) else text
        if self.at_start:
            self.compiled.match(data)
            self.compiled.fullmatch(data)
        else:
            for _ in self.compiled.finditer(data):
                pass


@dataclass(frozen=True)
class Slow:
    """A pattern, a string's parts, and how much longer the pattern took on four times the length."""

    pattern: Pattern
    prefix: str
    pump: str
    end: str
    ratio: float

    def __str__(self) -> str:
        return (
            f"{self.pattern.where}: {str(self.pattern.compiled.pattern)[:160]!r} on {self.prefix[:60]!r} + "
            f"{self.pump[:60]!r} * n + {self.end!r}: {self.ratio:.0f} times as long on 4n"
        )


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and file of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if "migrations" not in parts and "node_modules" not in parts:
                yield ".".join(part for part in parts if part != "__init__"), path


def patterns(root: Path) -> list[Pattern]:
    """Return every pattern of the packages: those of modules, and literals inside functions."""
    sources = {name: path.read_text() for name, path in modules(root)}
    everything = _used("\n".join(sources.values()))
    result: dict[tuple[object, int, bool], Pattern] = {}
    for name, source in sources.items():
        here = _used(source)
        held = [*_held(name), *_inside(name, source)]
        for where, compiled, method in held:
            variable = where.rpartition(".")[2]
            elsewhere = here if variable.startswith("_") else everything
            used = {method} if method else elsewhere.get(variable, set())
            at_start = bool(used) and used <= _AT_START
            result.setdefault(
                (compiled.pattern, compiled.flags, at_start), Pattern(where, compiled, at_start)
            )
    return list(result.values())


def _held(module: str) -> Iterator[tuple[str, re.Pattern[Any], str]]:
    loaded = importlib.import_module(module)
    for name, value in vars(loaded).items():
        for compiled in _in(value, 3):
            yield f"{module}.{name}", compiled, ""


def _in(value: object, depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from _in(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in (*value.keys(), *value.values()):
            yield from _in(item, depth - 1)
    elif depth and is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _in(getattr(value, field.name, None), depth - 1)


def _inside(module: str, source: str) -> Iterator[tuple[str, re.Pattern[Any], str]]:
    """Yield patterns written in calls such as re.search(r"…", text); values in an f-string count as one letter."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        owner = node.func.value
        if not (isinstance(owner, ast.Name) and owner.id == "re" and node.func.attr in _METHODS):
            continue
        text = _literal(node.args[0])
        if text is not None:
            flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(node) else re.NOFLAG
            yield f"{module}:{node.lineno}", re.compile(text, flags), node.func.attr


def _literal(node: ast.expr) -> str | bytes | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return None


def _used(source: str) -> dict[str, set[str]]:
    """Return the methods of patterns that a source calls, by the variable that they are called on."""
    result: dict[str, set[str]] = {}
    for name, method in _CALL.findall(source):
        result.setdefault(name, set()).add(method)
    return result


# Strings


def slow(pattern: Pattern, clock: Callable[[], float] = time.thread_time) -> Slow | None:
    """Return the first string that shows more than linear time, or None."""
    for prefix, pump in _attempts(pattern.compiled):
        for end in _ENDS:
            # Measured again before it counts: a busy machine is no slow pattern.
            if all((ratio := _ratio(pattern, prefix, pump, end, clock)) > _SLOW for _ in range(3)):
                return Slow(pattern, prefix, pump, end, ratio)
    return None


def _ratio(pattern: Pattern, prefix: str, pump: str, end: str, clock: Callable[[], float]) -> float:
    """Return how much longer four times the length takes; 0 where the time gives no reason to measure that."""
    for length in _LENGTHS:
        times = max(length // len(pump), 2)
        text = prefix + pump * times + end
        if (taken := _taken(pattern, text, clock)) > _SUSPICIOUS_SECONDS_A_SIGN * len(text) + 2e-5:
            taken = min(taken, *(_taken(pattern, text, clock) for _ in range(2)))
            if taken < _SUSPICIOUS_SECONDS_A_SIGN * len(text) + 2e-5:
                continue
            if length < 100:  # four times as long could take for ever
                more = prefix + pump * (times + max(2, times // 4)) + end
                if _taken(pattern, more, clock) > 3 * taken:
                    return 1000
                continue
            # Twice, so that a pause of the machine is no slow pattern.
            longer, longest = (
                _taken(pattern, prefix + pump * (many * times) + end, clock) for many in (4, 16)
            )
            return min(longer / taken, longest / longer)
    return 0


def _taken(pattern: Pattern, text: str, clock: Callable[[], float]) -> float:
    before = clock()
    pattern.run(text)
    return clock() - before


def _attempts(compiled: re.Pattern[Any]) -> list[tuple[str, str]]:
    written = compiled.pattern
    tree = _parser.parse(written, compiled.flags & ~(re.UNICODE if isinstance(written, bytes) else 0))
    result: dict[tuple[str, str], None] = {}
    for before, pump in _repeats(tree, ""):
        whole = before + pump
        for candidate in (pump, before, whole, whole + pump):
            if candidate:
                result["", candidate[:200]] = None
        for candidate in (pump, pump[:1]):
            if candidate:
                result[before[:200], candidate[:200]] = None
        if whole:
            for sign in (pump[-1:], " ", "a", "0", "."):
                if sign:
                    result[whole[:200], sign] = None
    for sign in _SAMPLES:
        result["", sign] = None
    return list(result)


def _repeats(tree: Iterable[Any], before: str) -> Iterator[tuple[str, str]]:
    """Yield what matches up to each repetition, and what the repetition matches, in a few variants."""
    for op, argument in tree:
        if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            _, high, inner = argument
            if high == _constants.MAXREPEAT or high > 30:
                for variant in range(4):
                    if pump := _sample(inner, variant):
                        yield before, pump
            yield from _repeats(inner, before)
        elif op is _constants.SUBPATTERN:
            yield from _repeats(argument[3], before)
        elif op is _constants.BRANCH:
            for branch in argument[1]:
                yield from _repeats(branch, before)
        elif op is _constants.ATOMIC_GROUP:
            yield from _repeats(argument, before)
        elif op in (_constants.ASSERT, _constants.ASSERT_NOT):
            yield from _repeats(argument[1], before)
        before += _sample([(op, argument)], 0)
    if before:
        yield before[:-1], before


def _sample(tree: Iterable[Any], variant: int) -> str:
    return "".join(_sign(op, argument, variant) for op, argument in tree)


def _sign(op: Any, argument: Any, variant: int) -> str:
    if op is _constants.LITERAL:
        return chr(argument)
    if op is _constants.NOT_LITERAL:
        return next(sign for sign in _rotated(variant) if ord(sign) != argument)
    if op is _constants.ANY:
        return _rotated(variant)[0].replace("\n", "a")
    if op is _constants.IN:
        return _of_class(argument, variant)
    if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
        low, high, inner = argument
        times: int = min(max(low, 1 if high else 0), 40)
        return _sample(inner, variant) * times
    if op is _constants.SUBPATTERN:
        return _sample(argument[3], variant)
    if op is _constants.BRANCH:
        return _sample(argument[1][variant % len(argument[1])], variant)
    if op is _constants.ATOMIC_GROUP:
        return _sample(argument, variant)
    if op is _constants.ASSERT and argument[0] == 1:
        return ""
    return ""


def _rotated(variant: int) -> str:
    at = (0, 2, 3, 6)[variant % 4]
    return _SAMPLES[at:] + _SAMPLES[:at]


def _of_class(items: list[Any], variant: int) -> str:
    return _of_written("[" + "".join(map(_written, items)) + "]", variant)


@cache
def _of_written(written: str, variant: int) -> str:
    text = re.compile(written)
    signs = [sign for sign in _rotated(variant) if text.match(sign)]
    if signs:
        return signs[0]
    return next((chr(code) for code in range(32, 0x2600) if text.match(chr(code))), "")


_CATEGORIES = {
    _constants.CATEGORY_DIGIT: r"\d",
    _constants.CATEGORY_NOT_DIGIT: r"\D",
    _constants.CATEGORY_SPACE: r"\s",
    _constants.CATEGORY_NOT_SPACE: r"\S",
    _constants.CATEGORY_WORD: r"\w",
    _constants.CATEGORY_NOT_WORD: r"\W",
}


def _written(item: Any) -> str:
    op, argument = item
    if op is _constants.NEGATE:
        return "^"
    if op is _constants.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    if op is _constants.CATEGORY:
        return _CATEGORIES[argument]
    return re.escape(chr(argument))
