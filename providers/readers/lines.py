"""Cut a CSV stream into blocks of fields, without making a Python object per field.

A block without quotes is cut with numpy: positions of commas and line ends. From the first quote on, the csv module
reads the rest; both give the same blocks.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from django.utils.translation import gettext as _

from providers.readers.faults import Faults, UnreadableFile, not_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 4 << 20
ROWS_PER_BLOCK = 50_000
# A file is held as arrays until all of it is proven, 8 bytes a cell: this bounds the memory of one delivery.
MOST_ROWS = 20_000_000
MOST_BYTES = 4 << 30
LONGEST_LINE = 1 << 20
NEWLINE, COMMA, QUOTE, RETURN = 10, 44, 34, 13


@dataclass(frozen=True, slots=True)
class Block:
    """Fields as slices of one buffer: field (i, j) is ``data[starts[i, j]:ends[i, j]]``; ``lines[i]`` its line."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: NDArray[np.int64]

    def text(self, row: int, column: int) -> str:
        """Return one field as text."""
        return self.data[self.starts[row, column] : self.ends[row, column]].tobytes().decode()

    def keep(self, good: NDArray[np.bool_]) -> Block:
        """Return the block with the marked rows only."""
        if good.all():
            return self
        return Block(self.data, self.starts[good], self.ends[good], self.lines[good])


class Source:
    """The bytes of a delivery: plain or gzip, counted and digested as they pass."""

    def __init__(self, content: BinaryIO) -> None:
        head = content.read(4)
        if head[:2] == b"PK":
            raise UnreadableFile(_("This is a ZIP or Excel file. Save the sheet as CSV (UTF-8)."))
        joined = io.BufferedReader(_Joined(head, content), BLOCK)
        self._stream: io.BufferedIOBase | gzip.GzipFile = (
            gzip.GzipFile(fileobj=joined) if head[:2] == b"\x1f\x8b" else joined
        )
        self._digest = hashlib.sha256()
        self._size = 0

    def read(self) -> bytes:
        """Return the next bytes, empty at the end."""
        try:
            data = self._stream.read(BLOCK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(_("The gzip file is damaged or ends early.")) from error
        self._digest.update(data)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise UnreadableFile(_("The file is larger than %(most)s bytes. Send it in parts.") % {"most": MOST_BYTES})
        return data

    def digest(self) -> str:
        """Read what is left and return the SHA-256 of the uncompressed content."""
        try:
            while self.read():
                pass
        except UnreadableFile:
            pass
        return self._digest.hexdigest()


class _Joined(io.RawIOBase):
    """The bytes already looked at, then the rest of the stream."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._head[: len(view)] or self._rest.read(len(view))
        self._head = self._head[len(data) :] if self._head else b""
        view[: len(data)] = data
        return len(data)


class Lines:
    """A CSV file: its header, then its blocks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = b""
        self._ended = False
        self._line = 1
        self.rows = 0
        self.header = self._read_header()

    def _fill(self) -> None:
        data = self._source.read()
        self._ended = not data
        self._rest += data

    def _read_header(self) -> list[str]:
        while b"\n" not in self._rest and not self._ended:
            self._fill()
            if len(self._rest) > LONGEST_LINE + BLOCK:
                break
        self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
        line, _newline, rest = self._rest.partition(b"\n")
        text = _decoded(line, 1)
        if '"' in text and text.count('"') % 2:
            raise UnreadableFile(_("The header has an open quote."), row=1, found=text)
        self._rest = rest
        try:
            names = next(csv.reader([text.rstrip("\r")]), [])
        except csv.Error as error:
            raise UnreadableFile(_("The row is not CSV: %(why)s.") % {"why": error}, row=1, found=text) from error
        if not any(names):
            raise UnreadableFile(_("The file is empty. Its first line must name the columns."), row=1)
        if len(names) == 1 and any(mark in text for mark in ";\t|"):
            raise UnreadableFile(_("The columns must be separated by commas."), row=1, found=text)
        return [name.strip() for name in names]

    def blocks(self, faults: Faults) -> Iterator[Block]:
        """Yield the rows block by block; ragged rows become faults, empty lines are passed over."""
        for block in self._blocks(faults):
            self.rows += len(block.lines)
            if self.rows > MOST_ROWS:
                raise UnreadableFile(_("The file has more than %(most)s rows. Send it in parts.") % {"most": MOST_ROWS})
            yield block

    def _blocks(self, faults: Faults) -> Iterator[Block]:
        while True:
            cut = self._rest.rfind(b"\n") + 1
            if self._ended and self._rest and cut != len(self._rest):
                self._rest += b"\n"
                cut = len(self._rest)
            data, tail = self._rest[:cut], self._rest[cut:]
            if QUOTE in data:
                yield from self._slowly(faults)
                return
            if data:
                self._rest = tail
                yield from self._cut(data, faults)
            if self._ended:
                return
            if len(self._rest) > LONGEST_LINE:
                raise UnreadableFile(_("The line is too long."), row=self._line + 1)
            self._fill()

    def _cut(self, data: bytes, faults: Faults) -> Iterator[Block]:
        """Cut whole unquoted lines."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        if not data.isascii():
            self._check_text(data)
        buffer = np.frombuffer(data, dtype=np.uint8)
        ends = np.flatnonzero(buffer == NEWLINE)
        commas = np.flatnonzero(buffer == COMMA)
        lines = self._line + 1 + np.arange(len(ends))
        self._line += len(ends)
        starts = np.concatenate(([0], ends[:-1] + 1))
        width = len(self.header)
        per_line = np.diff(np.searchsorted(commas, ends), prepend=0)
        good = per_line == width - 1
        if not good.all() or width == 1:
            empty = starts == ends
            ragged = ~good & ~empty
            faults.add_where(ragged, lines, "", lambda i: data[starts[i] : ends[i]].decode(), self._ragged())
            good &= ~empty
            commas = commas[np.repeat(good, per_line)]
            starts, ends, lines = starts[good], ends[good], lines[good]
        if len(lines):
            inner = commas.reshape(len(lines), width - 1)
            yield Block(
                buffer, np.column_stack((starts[:, None], inner + 1)), np.column_stack((inner, ends[:, None])), lines
            )

    def _check_text(self, data: bytes) -> None:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(self._line + 1 + data.count(b"\n", 0, error.start), data) from error

    def _ragged(self) -> str:
        return _("The row does not have as many fields as the header (%(width)s).") % {"width": len(self.header)}

    def _decoded_lines(self) -> Iterator[str]:
        while True:
            cut = self._rest.rfind(b"\n") + 1
            if self._ended:
                cut = len(self._rest)
            data, self._rest = self._rest[:cut], self._rest[cut:]
            self._check_text(data)
            yield from io.StringIO(data.decode(), newline="")
            if self._ended and not self._rest:
                return
            self._fill()

    def _slowly(self, faults: Faults) -> Iterator[Block]:
        """Read the rest with the csv module; a quoted field may hold commas and line ends."""
        before = self._line
        reader = csv.reader(self._decoded_lines(), strict=True)
        rows: list[list[bytes]] = []
        lines: list[int] = []
        last = 0
        width = len(self.header)
        try:
            for row in reader:
                line, last = before + last + 1, reader.line_num
                if not row:
                    continue
                if len(row) != width:
                    faults.add(line, "", ",".join(row), self._ragged())
                    continue
                rows.append([field.encode() for field in row])
                lines.append(line)
                if len(rows) >= ROWS_PER_BLOCK:
                    yield _packed(rows, lines)
                    rows, lines = [], []
        except csv.Error as error:
            raise UnreadableFile(
                _("The row is not CSV: %(why)s.") % {"why": error}, row=before + reader.line_num
            ) from error
        if rows:
            yield _packed(rows, lines)


def _packed(rows: list[list[bytes]], lines: list[int]) -> Block:
    """Lay fields end to end in one buffer."""
    fields = [field for row in rows for field in row]
    lengths = np.fromiter(map(len, fields), dtype=np.int64, count=len(fields))
    ends = np.cumsum(lengths)
    shape = (len(rows), len(rows[0]))
    data = np.frombuffer(b"".join(fields) or b"\n", dtype=np.uint8)
    return Block(data, (ends - lengths).reshape(shape), ends.reshape(shape), np.array(lines, dtype=np.int64))


def _decoded(data: bytes, row: int) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(row, data) from error
    if "\x00" in text:
        raise not_utf8(row, data)
    return text
