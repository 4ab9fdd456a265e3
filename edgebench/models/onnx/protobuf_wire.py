"""Walks protobuf messages without parsing them, so that large parts can be skipped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

LENGTH_DELIMITED = 2
_FIXED_BYTES = {1: 8, 5: 4}
_MAX_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where one field is.

    Attributes:
        number: Number of the field in its message.
        wire: Wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes.
        start: First byte of its tag.
        content: First byte of its content.
        end: First byte after it.
    """

    number: int
    wire: int
    start: int
    content: int
    end: int


def walk_fields(buffer: bytes | mmap, start: int, end: int) -> Iterator[Field]:
    """The fields of the message in ``buffer[start:end]``, without their content.

    Raises:
        WireError: The bytes are not a message, or it continues after ``end``.
    """
    position = start
    while position < end:
        tag, content = read_varint(buffer, position, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, after = read_varint(buffer, content, end)
        elif wire == LENGTH_DELIMITED:
            length, content = read_varint(buffer, content, end)
            after = content + length
        elif wire in _FIXED_BYTES:
            after = content + _FIXED_BYTES[wire]
        else:
            raise WireError(f"wire type {wire} at byte {position}")
        if number == 0:
            raise WireError(f"field number 0 at byte {position}")
        if after > end:
            raise WireError(f"a field at byte {position} ends {after - end} bytes after its message")
        yield Field(number, wire, position, content, after)
        position = after


def read_varint(buffer: bytes | mmap, position: int, end: int) -> tuple[int, int]:
    """A variable-length integer and the position after it.

    Raises:
        WireError: It does not end before ``end``, or is longer than 64 bits.
    """
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        if position + index >= end:
            raise WireError("a number is cut off at the end")
        byte = buffer[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise WireError(f"the number at byte {position} is longer than 64 bits")


def encode_varint(value: int) -> bytes:
    """The shortest form of an integer of at least 0."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
