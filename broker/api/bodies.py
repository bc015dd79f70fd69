"""Request bodies: read within bounds, as JSON of a known shape or as plain fields."""

import asyncio
from collections.abc import Set as AbstractSet
from typing import TypeVar
from urllib.parse import parse_qsl

from aiohttp.web import Request
from pydantic import BaseModel, ValidationError

from broker.api.call import Call
from broker.api.problems import ProblemError
from fetchtoken.domain.jsontext import loads

__all__ = ["fields_of_body", "form_of_body", "json_body", "parse_form"]

_SLOWEST_S = 10.0
"""For the whole body: a caller who lets it drip holds a connection, not a place."""

_MOST_FIELDS = 32

_Shape = TypeVar("_Shape", bound=BaseModel)


async def json_body(call: Call, shape: type[_Shape], largest: int) -> _Shape:
    """Return the body of a request.

    Only ``application/json`` is taken: a foreign page cannot make a browser send that unasked.

    Args:
        call: the request.
        shape: what the body must be.
        largest: most bytes of it.

    Raises:
        ProblemError: ``content_too_large``, or ``invalid_request`` for anything else that is wrong.
    """
    if call.request.content_type != "application/json":
        raise ProblemError("invalid_request", "the body must be application/json")
    data = await _within_time(call.request, largest)
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][:1]
        names = [str(name) for name in where if name in shape.model_fields]
        raise ProblemError(
            "invalid_request", f"the body is no such JSON object{': look at ' + names[0] if names else ''}"
        ) from None


async def _within_time(request: Request, largest: int) -> bytes:
    try:
        async with asyncio.timeout(_SLOWEST_S):
            return await _read(request, largest)
    except TimeoutError:
        raise ProblemError("invalid_request", f"the body took longer than {_SLOWEST_S:g} s") from None


async def _read(request: Request, largest: int) -> bytes:
    """Read a body whatever it says of its length."""
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > largest:
            raise ProblemError("content_too_large", f"a body here has at most {largest} bytes")
    return bytes(data)


async def fields_of_body(
    call: Call, largest: int, *, texts: AbstractSet[str] = frozenset()
) -> dict[str, str]:
    """Return the texts of a JSON object or of a form; what else is in it is passed over.

    Args:
        call: the request.
        largest: most bytes of its body.
        texts: names that must not be passed over: texts, or ``null`` as good as absent.

    Raises:
        ProblemError: ``content_too_large``, or ``invalid_request`` for anything else that is wrong.
    """
    kind = call.request.content_type
    if kind not in ("application/json", "application/x-www-form-urlencoded"):
        raise ProblemError("invalid_request", "the body must be application/json or a form")
    data = await _within_time(call.request, largest)
    try:
        if kind == "application/json":
            value = loads(data.decode())
            pairs = list(value.items()) if isinstance(value, dict) else None
        else:
            pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        pairs = None
    if pairs is None or len({name for name, _ in pairs}) != len(pairs):
        # A parameter must not be there twice (RFC 6749 §3.2).
        raise ProblemError("invalid_request", "the body is no JSON object and no form")
    fields = {name: value for name, value in pairs if isinstance(value, str)}
    odd = {name for name, value in pairs if value is not None} - fields.keys()
    if odd & texts:
        raise ProblemError("invalid_request", f"look at {min(odd & texts)}: a text is wanted, and one only")
    return fields


async def form_of_body(call: Call, known: AbstractSet[str], largest: int) -> dict[str, str]:
    """Return the fields of a form that a page of ours sends.

    Args:
        call: the request.
        known: the fields that there may be, each once.
        largest: most bytes of its body.

    Raises:
        ProblemError: ``content_too_large``, or ``invalid_request`` for anything else that is wrong.
    """
    request = call.request
    if request.content_type != "application/x-www-form-urlencoded" or (
        (request.charset or "utf-8").lower() != "utf-8"
    ):
        raise ProblemError("invalid_request", "the body must be a form in UTF-8")
    data = await _within_time(request, largest)
    try:
        return parse_form(data, known)
    except ValueError:
        raise ProblemError("invalid_request", "the body is no form of this page") from None


def parse_form(data: bytes, known: AbstractSet[str]) -> dict[str, str]:
    """Return the fields of a form, each one of those known and there once.

    Raises:
        ValueError: it is none.
    """
    pairs = parse_qsl(
        data.decode("ascii"),
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=_MOST_FIELDS,
    )
    fields = dict(pairs)
    if len(fields) != len(pairs) or not fields.keys() <= known:
        message = "a field is unknown, or there twice"
        raise ValueError(message)
    return fields
