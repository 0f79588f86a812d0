"""The process that compiles Python sources: reads batches from stdin, writes bytecode and imports to stdout.

Runs as a script under the target's Python, which may be older than the studio's: it imports nothing else. As
`compile_worker.py pool N` it compiles N batches at a time, each in a process of its own, and answers all of them.
"""

import dis
import gc
import importlib.util
import marshal
import os
import select
import signal
import struct
import sys
import warnings
from collections import deque
from typing import Any, Deque, List, Optional, Sequence, Tuple  # noqa: UP035

LENGTH = struct.Struct("<q")
NOTHING = -1
# The second version of the format has no references, whose places depend on what was compiled before.
MARSHAL_VERSION = 2
UNCHECKED_HASH = struct.pack("<I", 0b01)
MEMORY_BYTES = 1024**3
CPU_SECONDS = 600

Items = List[Optional[bytes]]  # noqa: UP006, UP045
Running = Tuple[Items, int, int]  # noqa: UP006
"""A batch that is compiled, the process that does it, and its output."""


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


def framed(items: "Sequence[Optional[bytes]]") -> bytes:  # noqa: UP045
    """Return byte strings, some of which may be None, as one message."""
    pieces = []
    for item in items:
        pieces.append(LENGTH.pack(NOTHING if item is None else len(item)))
        pieces.append(item or b"")
    body = b"".join(pieces)
    return LENGTH.pack(len(body)) + body


def unframed(body: bytes) -> Items:
    """Return the byte strings of a message without its length. Raises ValueError if it is none."""
    items: Items = []
    at = 0
    while at < len(body):
        if at + LENGTH.size > len(body):
            raise ValueError("a message ends within a length")
        size = LENGTH.unpack_from(body, at)[0]
        at += LENGTH.size
        if size == NOTHING:
            items.append(None)
            continue
        if size < 0 or at + size > len(body):
            raise ValueError("a message ends within an item")
        items.append(body[at : at + size])
        at += size
    return items


def compiled(source: bytes, path: str) -> "Tuple[Optional[bytes], List[str]]":  # noqa: UP006, UP045
    """Return the .pyc of a source as the file at `path`, and what it imports; None for one that is no Python."""
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None, []
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source)
    return head + marshal.dumps(code, MARSHAL_VERSION), imports_of(code)


def answers(batch: Items) -> bytes:
    """Return the message that answers a batch of path, source, path, source, …: bytecode, imports, bytecode, imports, …"""
    answer: Items = []
    for path, source in zip(batch[::2], batch[1::2]):  # noqa: B905
        code, imports = compiled(source or b"", (path or b"").decode())
        answer += [code, "\n".join(imports).encode("utf-8", "replace")]
    return framed(answer)


def answered(items: Items) -> "List[Tuple[Optional[bytes], List[str]]]":  # noqa: UP006, UP045
    """Return bytecode and imports of each source, out of an answer's items. Raises ValueError if they are not those."""
    if len(items) % 2:
        raise ValueError("an answer has no imports for its last source")
    pairs = zip(items[::2], items[1::2])  # noqa: B905
    return [(code, (names or b"").decode("utf-8", "replace").splitlines()) for code, names in pairs]


def received(descriptor: int) -> Optional[bytes]:  # noqa: UP045
    """Return the next message, or None at the end."""
    length = exactly(descriptor, LENGTH.size)
    if len(length) < LENGTH.size:
        return None
    size = LENGTH.unpack(length)[0]
    body = exactly(descriptor, size)
    return body if len(body) == size else None


def exactly(descriptor: int, size: int) -> bytes:
    """Return so many bytes, or fewer at the end."""
    pieces = []
    while size > 0:
        piece = os.read(descriptor, min(size, 1 << 20))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def send(descriptor: int, message: bytes) -> None:
    """Write all of a message."""
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]


def one_by_one(incoming: int, outgoing: int) -> None:
    """Compile batch after batch in this process. One that brings it down has no answer."""
    while True:
        body = received(incoming)
        if body is None:
            return
        send(outgoing, answers(unframed(body)))


def pool(incoming: int, outgoing: int, count: int) -> None:
    """Compile so many batches at a time, each in a process of its own; the answers keep the batches' order."""
    running: Deque[Running] = deque()  # noqa: UP006
    reading = True
    while reading or running:
        waiting = [running[0][2]] if running else []
        if reading and len(running) < count:
            waiting.append(incoming)
        ready = select.select(waiting, [], [])[0]
        if incoming in ready:
            body = received(incoming)
            if body is None:
                reading = False
            else:
                running.append(begin(unframed(body)))
        else:
            send(outgoing, finished(running.popleft()))


def begin(batch: Items) -> Running:
    """Start a process that compiles a batch."""
    output, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            limit()
            send(writing, answers(batch))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    return batch, process, output


def limit() -> None:
    """Limit the memory and the time of this process."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def finished(running: Running) -> bytes:
    """Return a batch's answer. A source can bring its process down: it is found, and gets no bytecode."""
    batch, process, output = running
    body = received(output)
    os.close(output)
    os.waitpid(process, 0)
    if body is not None:
        return LENGTH.pack(len(body)) + body
    sources = len(batch) // 2
    if sources <= 1:
        return framed([None, b""])
    half = sources // 2 * 2
    parts = [finished(begin(part)) for part in (batch[:half], batch[half:])]
    return framed([item for part in parts for item in unframed(part[LENGTH.size :])])


def main() -> None:
    warnings.simplefilter("ignore")
    gc.disable()
    incoming, outgoing = 0, os.dup(1)
    os.dup2(2, 1)
    if sys.argv[1:2] == ["pool"]:
        pool(incoming, outgoing, int(sys.argv[2]))
        return
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    one_by_one(incoming, outgoing)


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
    if sys.version_info < (3, 10):  # noqa: UP036
        return value // 2
    if sys.version_info < (3, 11):  # noqa: UP036
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


if __name__ == "__main__":
    main()
