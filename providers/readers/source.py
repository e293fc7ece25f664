"""The bytes of a delivery: unpacked, recoded to UTF-8, measured and digested as they pass."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, Literal

from django.utils.translation import gettext as _

from providers.readers.faults import UnreadableFile, not_utf8

if TYPE_CHECKING:
    from collections.abc import Buffer

CHUNK = 1 << 20  # small, so that the first rows are under way while the next are read
BUFFER = 1 << 16
MOST_BYTES = 4 << 30
# Text of zeros packs to a hundredth; what unpacks to more than this is made to fill a machine.
MOST_UNPACKED = 64 << 20
MOST_TIMES = 300
LOOK = 4096
GZIP, ZIP, PARQUET = b"\x1f\x8b", b"PK", b"PAR1"
UTF8_MARK, UTF16_MARKS = codecs.BOM_UTF8, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ENCODINGS = ("utf-8", "gb18030", "utf-16")

Kind = Literal["csv", "ndjson", "parquet"]


class Source:
    """A file of any kind the reader knows; ``kind`` is told by its first bytes, never by its name."""

    def __init__(self, content: BinaryIO, encoding: str = "utf-8") -> None:
        self.content = content
        self._packed = _Counted(content)
        joined = io.BufferedReader(self._packed, BUFFER)
        self._stream: io.BufferedReader[_Counted] | gzip.GzipFile = joined
        if joined.peek(2)[:2] == GZIP:
            self._stream = gzip.GzipFile(fileobj=joined)
        self._digest = hashlib.sha256()
        self._size = 0
        self._row = 1
        self._decoder: codecs.IncrementalDecoder | None = None
        head = self._look()
        self.kind: Kind = self._kind(head)
        if self.kind != "parquet":
            self._decoder = self._recoding(head, encoding)
            if head.startswith(UTF8_MARK):
                self._take(len(UTF8_MARK))

    def _look(self) -> bytes:
        """Return the first bytes without taking them."""
        try:
            return self._stream.peek(LOOK)[:LOOK]
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged() from error

    def _kind(self, head: bytes) -> Kind:
        if head.startswith(ZIP):
            raise UnreadableFile(_("This is a ZIP or Excel file. Save the sheet as CSV (UTF-8)."))
        if head.startswith(GZIP):
            raise UnreadableFile(_("The file is packed twice. Pack it once."))
        if head.startswith(PARQUET):
            if isinstance(self._stream, gzip.GzipFile):
                raise UnreadableFile(_("A Parquet file is packed already. Send it without gzip."))
            return "parquet"
        text = head.removeprefix(UTF8_MARK).replace(b"\x00", b"")
        for mark in UTF16_MARKS:
            text = text.removeprefix(mark)
        return "ndjson" if text.lstrip().startswith(b"{") else "csv"

    def _recoding(self, head: bytes, encoding: str) -> codecs.IncrementalDecoder | None:
        if head.startswith(UTF16_MARKS):
            encoding = "utf-16"
        elif head.startswith(UTF8_MARK):
            encoding = "utf-8"
        return None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()

    def read(self) -> bytes:
        """Return the next bytes as UTF-8, empty at the end."""
        while True:
            data = self._take(CHUNK)
            if self._decoder is None:
                return data
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise not_utf8(self._row, data) from error
            self._row += text.count("\n")
            if text or not data:
                return text.encode()

    def _take(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged() from error
        self._digest.update(data)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise UnreadableFile(_("The file is larger than %(most)s bytes. Send it in parts.") % {"most": MOST_BYTES})
        if self._size > max(MOST_UNPACKED, self._packed.size * MOST_TIMES):
            raise UnreadableFile(
                _("The file unpacks to more than %(times)s times its size. Send it in parts, unpacked.")
                % {"times": MOST_TIMES}
            )
        return data

    def digest(self) -> str:
        """Return the SHA-256 of the unpacked content read so far."""
        return self._digest.hexdigest()

    def digest_all(self) -> str:
        """Read what is left, keep nothing, and return the SHA-256 of the unpacked content."""
        while self._take(CHUNK):
            pass
        return self.digest()


class _Counted(io.RawIOBase):
    """A stream that counts what is taken from it."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        data = self._content.read(len(view))
        view[: len(data)] = data
        self.size += len(data)
        return len(data)


def _damaged() -> UnreadableFile:
    return UnreadableFile(_("The gzip file is damaged or ends early."))
