"""What parent and child say to each other: one record per line of JSON, in an envelope with the protocol's version.

A request is a dataclass that derives from ``Request[Answer]``, which also states the type of its answer::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Run(Request[Sample]):
        verb: ClassVar[str] = "run"
        step: ClassVar[str] = "while the model ran"
        iterations: int

Envelopes: ``{"protocol": 1, "request": VERB, "body": {...}}`` and ``{"protocol": 1, "order": "continue"}`` go to the
child, ``{"protocol": 1, "answer": {...}}``, ``{"protocol": 1, "progress": {...}}`` and ``{"protocol": 1,
"failure": {...}}`` come back. Nothing received is trusted: anything of another form is a ``ProtocolError``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, NoReturn, TypeVar, cast, get_args, get_origin

from edgebench.core.record import Record
from edgebench.errors import EdgebenchError
from edgebench.store.codec import ShapeError, decoded, to_plain

VERSION = 1
MAX_MESSAGE_BYTES = 64 << 20
MAX_TEXT = 100_000
"""Characters of one text in an answer."""
MAX_NUMBER = 1e30
"""No figure is larger, in any unit; what is derived from larger ones may not be finite."""
_LONGEST_REASON = 10_000
_EXCERPT = 80

T = TypeVar("T")
Answer = TypeVar("Answer", bound=Record)
Progress = TypeVar("Progress", bound=Record)


class Request(Record, Generic[Answer]):
    """Something that a child is asked to do.

    Attributes:
        verb: Its name on the wire.
        step: What was happening when it failed, to follow "crashed": ``while the model ran``.
    """

    __slots__ = ()
    verb: ClassVar[str]
    step: ClassVar[str]

    def misfit(self, answer: Answer) -> str | None:
        """Why a well-formed answer cannot belong to this request, or None."""
        del answer
        return None


class LongRequest(Request[Answer], Generic[Answer, Progress]):
    """A request during which the child reports its progress, and waits each time to hear whether to continue."""

    __slots__ = ()


class Order(StrEnum):
    """The reply to a child that has reported its progress."""

    CONTINUE = "continue"
    STOP = "stop"


class FailureKind(StrEnum):
    """Why there is no answer."""

    BAD_INPUT = "bad input"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    OUT_OF_MEMORY = "out of memory"
    TRAINING_FAILED = "training failed"
    PROTOCOL = "protocol"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble(Record):
    """A failure that the child survived and reported.

    Attributes:
        kind: What sort it is.
        what: One sentence.
        where: File, key or model it concerns.
        remedy: What to do next.
        exception: Name of the exception's type, if it was unexpected.
        operators: Operators that are not supported, if that is the reason.
    """

    kind: FailureKind
    what: str
    where: str | None = None
    remedy: str | None = None
    exception: str | None = None
    operators: tuple[str, ...] = ()


class ProtocolError(EdgebenchError):
    """A message does not follow the protocol, or cannot be expressed in it."""


class VersionMismatchError(ProtocolError):
    """The other side speaks another version of the protocol."""


def request_message(request: Request[Any]) -> bytes:
    """A request, for the child.

    Raises:
        ProtocolError: It contains what cannot be sent, or is too long.
    """
    return _message(request=request.verb, body=_plain(request))


def order_message(order: Order) -> bytes:
    """Whether to continue, for the child."""
    return _message(order=order.value)


def answer_message(answer: Record) -> bytes:
    """An answer, for the parent.

    Raises:
        ProtocolError: It contains what cannot be sent, such as infinity, or is too long.
    """
    return _message(answer=_plain(answer))


def progress_message(progress: Record) -> bytes:
    """Progress, for the parent.

    Raises:
        ProtocolError: It contains what cannot be sent, such as infinity.
    """
    return _message(progress=_plain(progress))


def failure_message(trouble: Trouble) -> bytes:
    """A failure, for the parent; invalid Unicode, as in names of files, is replaced."""
    plain = {
        key: _valid(value) if value is not None else None
        for key, value in (("what", trouble.what), ("where", trouble.where), ("remedy", trouble.remedy))
    }
    operators = [_valid(operator) for operator in trouble.operators]
    return _message(
        failure={**plain, "kind": trouble.kind.value, "exception": trouble.exception, "operators": operators}
    )


def _valid(text: str) -> str:
    return text[:_LONGEST_REASON].encode("utf-8", "replace").decode()


def open_envelope(message: bytes) -> Mapping[str, Any]:
    """The content of a message, without its version.

    Raises:
        VersionMismatchError: The other side speaks another version.
        ProtocolError: It is not a message of the protocol at all.
    """
    try:
        envelope = json.loads(message.decode("utf-8"), parse_constant=_refused, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise ProtocolError(f"key {excerpt(str(error))!r} is there twice") from None
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else "not JSON"
        raise ProtocolError(f"{why}: {excerpt(message)}") from None
    version = envelope.pop("protocol", None) if isinstance(envelope, dict) else None
    if type(version) is not int or not 0 < version < 10**6:
        raise ProtocolError(f"not a message of the protocol: {excerpt(message)}")
    if version != VERSION:
        raise VersionMismatchError(
            f"the other side speaks protocol {version}, this edgebench speaks protocol {VERSION}",
            remedy="install the same edgebench on both sides",
        )
    return cast("Mapping[str, Any]", envelope)


def read_request(message: bytes, kinds: Mapping[str, type[Request[Any]]]) -> Request[Any]:
    """A request, in the child.

    Args:
        message: The received message.
        kinds: Known requests, by their verbs.

    Raises:
        ProtocolError: It is none of them, or its body is not valid.
    """
    envelope = open_envelope(message)
    verb = envelope.get("request")
    if set(envelope) != {"request", "body"} or not isinstance(verb, str) or verb not in kinds:
        raise ProtocolError(f"not a known request: {excerpt(message)}")
    return _read(kinds[verb], envelope["body"])


def read_order(message: bytes) -> Order:
    """Whether to continue, in the child.

    Raises:
        ProtocolError: It is something else.
    """
    envelope = open_envelope(message)
    order = envelope.get("order")
    if set(envelope) != {"order"} or order not in list(Order):
        raise ProtocolError(f"not an order: {excerpt(message)}")
    return Order(order)


def read_progress(envelope: Mapping[str, Any], request: LongRequest[Answer, Progress]) -> Progress | None:
    """Progress of a request, or None if the envelope contains something else.

    Raises:
        ProtocolError: It is not valid.
    """
    if set(envelope) != {"progress"}:
        return None
    return cast("Progress", _read_sane(_stated_types(type(request))[1], envelope["progress"]))


def read_answer(envelope: Mapping[str, Any], request: Request[Answer]) -> Answer | Trouble:
    """The answer to a request, or the reason why there is none.

    Raises:
        ProtocolError: It is neither, or no answer to this request.
    """
    if set(envelope) == {"failure"}:
        return _read_sane(Trouble, envelope["failure"])
    if set(envelope) != {"answer"}:
        raise ProtocolError(f"instead of an answer, {excerpt(', '.join(envelope)) or 'nothing'}")
    answer = cast("Answer", _read_sane(_stated_types(type(request))[0], envelope["answer"]))
    misfit = request.misfit(answer)
    if misfit is not None:
        raise ProtocolError(misfit)
    return answer


def excerpt(content: bytes | str, length: int = _EXCERPT) -> str:
    """The beginning of arbitrary data, fit for a line of a terminal."""
    text = content[: 4 * length].decode("utf-8", "replace") if isinstance(content, bytes) else content
    shown = "".join(character if character.isprintable() else "\ufffd" for character in text[:length])
    return f"{shown}..." if len(text) > length or len(content) > 4 * length else shown


def _stated_types(kind: type[Request[Any]]) -> tuple[type[Record], ...]:
    """The type arguments of a request's base class: of the answer, and of the progress if there is any."""
    for base in kind.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Request):
            return get_args(base)
    raise TypeError(f"{kind.__name__} does not derive from Request[...]")


def _read_sane(kind: type[T], plain: Any) -> T:
    """What a child says, if its texts can be kept and shown, and its numbers be reckoned with."""
    waiting = [plain]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            if len(value) > MAX_TEXT:
                raise ProtocolError(f"a text of {len(value)} characters: {excerpt(value)}")
        elif isinstance(value, (int, float)) and not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise ProtocolError(f"a number beyond {MAX_NUMBER:g}")
    return _read(kind, plain)


def _read(kind: type[T], plain: Any) -> T:
    try:
        return decoded(kind, plain, strict=True)
    except ShapeError as error:
        raise ProtocolError(f"not a valid {kind.__name__}: {excerpt(str(error), 300)}") from None


def _plain(record: Record) -> Any:
    try:
        return to_plain(record)
    except ValueError as error:
        raise ProtocolError(f"a {type(record).__name__} cannot be sent: {excerpt(str(error), 300)}") from None


def _message(**content: Any) -> bytes:
    try:
        # Not escaped: invalid Unicode, such as a file's name in another encoding, is detected here.
        message = json.dumps({"protocol": VERSION, **content}, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(f"a message contains text that is not Unicode: {excerpt(error.object)}") from None
    except ValueError:
        raise ProtocolError("a message contains numbers that are infinite or not a number") from None
    if len(message) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(message)} bytes is longer than {MAX_MESSAGE_BYTES} bytes")
    return message


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


class _TwiceError(ValueError):
    """A key occurs twice in an object: two readers may read two different things."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _TwiceError(counts.most_common(1)[0][0])
    return found
