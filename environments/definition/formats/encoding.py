"""The text of a file: UTF-8, UTF-16 with its mark, or what a comment at its beginning declares."""

from __future__ import annotations

import codecs
import re

from environments.definition.findings.result import Draft
from environments.definition.syntax.text import Placed

# PowerShell's `pip freeze > requirements.txt` writes UTF-16. The mark of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# As pip looks for it, in comments of the first two lines.
_DECLARED = re.compile(rb"coding[:=]\s{0,8}([-\w.]{1,40})")
_TEXT_ENCODINGS = re.compile(
    r"ascii|utf-8|iso8859-\d{1,2}|cp(?:125\d|437|850|852|866|932|936|949)|koi8-[ru]|mac-roman|shift_jis|euc_jp|euc_kr"
    r"|gbk|gb2312|gb18030|big5"
)
_UTF_16_PAIRS = 4
_MOST_STRANGE = 0.2


def decode(draft: Draft, content: bytes) -> str | None:
    """Return the text of a file; None, with a finding, for a file that is none."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        declared = _by_declaration(content) if encoding == "utf-8-sig" else None
        if declared is None and b"\0" in content and encoding == "utf-8-sig":
            _report_nul(draft, content)
            return None
        if declared is None:
            _report_byte(draft, content, error, encoding)
            return None
        text = declared
    if "\0" in text:
        _report_nul(draft, text.encode("utf-8", "surrogatepass"))
        return None
    return text


def decode_damaged(content: bytes) -> str | None:
    """Return a text with signs in place of its few bytes that are none; None for what is not mostly text."""
    text = content.decode("utf-8", "replace")
    strange = text.count("\ufffd")
    return None if "\0" in text or strange > _MOST_STRANGE * len(text) else text


def _by_declaration(content: bytes) -> str | None:
    """Return the text in the encoding that a comment names; None where none does, or where it does not fit."""
    for line in content.split(b"\n", 2)[:2]:
        declared = _DECLARED.search(line[:400]) if line.startswith(b"#") else None
        if declared is None:
            continue
        try:
            name = codecs.lookup(declared[1].decode("ascii", "replace")).name
            return content.decode(name) if _TEXT_ENCODINGS.fullmatch(name) else None
        except (LookupError, UnicodeError):
            return None
    return None


def _report_byte(draft: Draft, content: bytes, error: UnicodeDecodeError, encoding: str) -> None:
    line = content.count(b"\n", 0, error.start) + 1
    byte = content[error.start]
    if encoding != "utf-8-sig":
        name = encoding.upper()
        draft.note("not-text", Placed("", line), what=f"it begins as {name}, and goes on in another encoding")
        return
    sign = bytes((byte,)).decode("cp1252", "replace")
    looks = f", which is {sign} in Windows-1252" if sign.isprintable() and sign != "\ufffd" else ""
    draft.note("not-text", Placed("", line), what=f"byte {error.start} is 0x{byte:02x}{looks}")


def _report_nul(draft: Draft, content: bytes) -> None:
    first = content.index(b"\0")
    start = content.rfind(b"\n", 0, first) + 1
    column = len(content[start:first].decode("utf-8", "replace")) + 1
    position = Placed("", content.count(b"\n", 0, first) + 1, column)
    pairs = content[first : first + 2 * _UTF_16_PAIRS : 2]
    if len(pairs) < _UTF_16_PAIRS or pairs.strip(b"\0"):
        what = "there is a NUL character in it"
    elif first <= 1:
        what = "it seems to be UTF-16 without the mark at its beginning"
    else:
        what = "from here on it seems to be UTF-16, as PowerShell's >> appends it"
    draft.note("not-text", position, what=what)
