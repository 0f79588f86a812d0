"""The process that compiles Python sources: reads batches from stdin, writes bytecode and imports to stdout.

Runs as a script under the target's Python, which may be as old as 3.7: it imports nothing else, and annotates little.
"""

import ctypes
import dis
import gc
import importlib.util
import marshal
import os
import signal
import struct
import sys
import warnings
from typing import Any

LENGTH = struct.Struct("<Q")
# The second version of the format has no references, whose places depend on what was compiled before.
MARSHAL_VERSION = 2
UNCHECKED_HASH = struct.pack("<I", 0b01)

# A module of more is data; its imports are of no use, and would be in the way of others.
MOST_IMPORTS = 10_000
LONGEST_NAME = 200

CO_OPTIMIZED = 0x1  # the code of functions, which the code of modules and classes is not
IMPORT_NAME = dis.opmap["IMPORT_NAME"]
LOAD_CONST = dis.opmap["LOAD_CONST"]
LOAD_SMALL_INT = dis.opmap.get("LOAD_SMALL_INT", -1)  # of Python 3.14
EXTENDED_ARG = dis.opmap["EXTENDED_ARG"]
LOADS = [dis.opmap[name] for name in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_ATTR") if name in dis.opmap]
# The lowest bit of some arguments says what else is to be done with the name.
NAME_SHIFTS = {
    (dis.opmap[name], (3, minor)): 1
    for name, first in (("LOAD_GLOBAL", 11), ("LOAD_ATTR", 12))
    for minor in range(first, 15)
}
JUMPS = [dis.opmap[name] for name in ("POP_JUMP_IF_FALSE", "POP_JUMP_FORWARD_IF_FALSE") if name in dis.opmap]
IGNORED = {"EXTENDED_ARG", "CACHE", "NOP", "NOT_TAKEN", "TO_BOOL", "COPY"}
SKIPPED = {dis.opmap[name] for name in IGNORED if name in dis.opmap}
CHECKED_TYPES = {"LOAD_NAME", "LOAD_GLOBAL", "LOAD_ATTR"}


def compiled(source: bytes, path: str) -> Any:
    """Return the .pyc of a source as the file at `path`, and what it imports; None for one that is no Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None, []
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return head + marshal.dumps(code, MARSHAL_VERSION), imports_of(code)


def imports_of(code: Any) -> Any:
    """Return, sorted, what a module imports when it is imported itself; relative names begin with dots.

    Functions are left out: they run later. So is what is for type checkers alone. `from a import b` may mean a
    module a.b: both are returned.
    """
    names = set()
    for block in blocks(code):
        for name in imports_in(block):
            if len(name) <= LONGEST_NAME:
                names.add(name)
            if len(names) > MOST_IMPORTS:
                return []
    return sorted(names)


def blocks(code: Any) -> Any:
    """Yield the code of a module, and that of the classes in it."""
    waiting = [code]
    while waiting:
        block = waiting.pop()
        yield block
        waiting.extend(c for c in block.co_consts if hasattr(c, "co_code") and not c.co_flags & CO_OPTIMIZED)


def imports_in(code: Any) -> Any:
    """Yield the names that the import statements of a block of code name."""
    if IMPORT_NAME not in code.co_code[::2]:
        return
    for level, members, module in scanned(code) if sys.version_info < (3, 15) else explained(code):
        if not isinstance(level, int) or not 0 <= level < LONGEST_NAME:
            continue
        absolute = "." * level + module
        yield absolute
        for member in members if isinstance(members, tuple) else ():
            yield (absolute if absolute.endswith(".") else absolute + ".") + str(member)


def scanned(code: Any) -> Any:
    """Yield level, members and module of each import, without what is for type checkers alone.

    As `explained` does it, ten times as fast. An import loads two constants before: its level and its members.
    """
    operations, arguments = code.co_code[::2], code.co_code[1::2]

    def argument(at: int) -> Any:
        """Return the argument of the instruction there, and where its own prefixes begin."""
        value, shift = arguments[at], 8
        while at and operations[at - 1] == EXTENDED_ARG:
            at -= 1
            value |= arguments[at] << shift
            shift += 8
        return value, at

    skipped = unchecked(code, operations, argument) if "TYPE_CHECKING" in code.co_names else []
    at = operations.find(IMPORT_NAME)
    while at >= 2:
        module, first = argument(at)
        members, level = None, 0
        if first >= 2 and operations[first - 1] == LOAD_CONST:
            value, second = argument(first - 1)
            members = code.co_consts[value]
            if second and operations[second - 1] in (LOAD_CONST, LOAD_SMALL_INT):
                value, _ = argument(second - 1)
                level = code.co_consts[value] if operations[second - 1] == LOAD_CONST else value
        if not any(start < at < end for start, end in skipped):
            yield level, members, code.co_names[module]
        at = operations.find(IMPORT_NAME, at + 1)


def unchecked(code: Any, operations: bytes, argument: Any) -> Any:
    """Return where the blocks of `if TYPE_CHECKING` begin and end."""
    result = []
    for load in LOADS:
        at = operations.find(load)
        while at >= 0:
            value, _ = argument(at)
            name = value >> NAME_SHIFTS.get((load, sys.version_info[:2]), 0)
            if name < len(code.co_names) and code.co_names[name] == "TYPE_CHECKING":
                jump = at + 1
                while jump < len(operations) and operations[jump] in SKIPPED:
                    jump += 1
                if jump < len(operations) and operations[jump] in JUMPS:
                    result.append((at, target_of(jump, argument(jump)[0])))
            at = operations.find(load, at + 1)
    return result


def target_of(jump: int, value: int) -> int:
    """Return where a jump leads: in bytes till 3.9, in instructions in 3.10, from where it is since."""
    if sys.version_info < (3, 10):
        return value // 2
    if sys.version_info < (3, 11):
        return value
    return jump + 1 + value + (1 if sys.version_info >= (3, 13) else 0)


def explained(code: Any) -> Any:
    """Yield the same, without what is for type checkers alone."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in IGNORED]
    end = 0  # of what only type checkers run
    for number, step in enumerate(steps):
        if step.offset < end:
            continue
        if step.opname in CHECKED_TYPES and step.argval == "TYPE_CHECKING" and number + 1 < len(steps):
            jump = steps[number + 1]
            if "JUMP" in jump.opname and "IF_FALSE" in jump.opname and isinstance(jump.argval, int):
                end = jump.argval
        if step.opname == "IMPORT_NAME" and number >= 2:
            yield steps[number - 2].argval, steps[number - 1].argval, str(step.argval)


def main() -> None:
    """Answer until stdin ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    warnings.simplefilter("ignore")
    gc.disable()
    incoming = os.fdopen(0, "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        length = incoming.read(LENGTH.size)
        if len(length) < LENGTH.size:
            return
        batch = marshal.loads(incoming.read(LENGTH.unpack(length)[0]))  # noqa: S302
        answer = marshal.dumps([compiled(source, path) for path, source in batch])
        outgoing.write(LENGTH.pack(len(answer)) + answer)
        outgoing.flush()


if __name__ == "__main__":
    main()
