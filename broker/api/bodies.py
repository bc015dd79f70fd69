"""Request bodies: read within bounds, as JSON of a known shape."""

import asyncio
from typing import TypeVar

from aiohttp.web import Request
from pydantic import BaseModel, ValidationError

from broker.api.call import Call
from broker.api.problems import ProblemError

__all__ = ["json_body"]

_SLOWEST_S = 10.0
"""For the whole body: a caller who lets it drip holds a connection, not a place."""

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
    try:
        async with asyncio.timeout(_SLOWEST_S):
            data = await _read(call.request, largest)
    except TimeoutError:
        raise ProblemError("invalid_request", f"the body took longer than {_SLOWEST_S:g} s") from None
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][:1]
        names = [str(name) for name in where if name in shape.model_fields]
        raise ProblemError(
            "invalid_request", f"the body is no such JSON object{': look at ' + names[0] if names else ''}"
        ) from None


async def _read(request: Request, largest: int) -> bytes:
    """Read a body whatever it says of its length."""
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > largest:
            raise ProblemError("content_too_large", f"a body here has at most {largest} bytes")
    return bytes(data)
