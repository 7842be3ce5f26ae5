"""
Is what comes in and what goes out as the contract says?
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from reference_api.dependencies.dependency import DependencyUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A valid request: the parameters of its path and its body, decoded as the contract describes them.
    """

    request: Request
    path: dict[str, Any]
    body: Any


Handler = Callable[[Asked], Awaitable[dict[str, Any]]]


class NotFound(Exception):
    """
    There is no such thing.
    """


class _Incoming:
    """
    A request as the validator sees it: its body was read, its path is decoded, as it was when the route was found.
    """

    def __init__(self, request: Request, body: bytes) -> None:
        self.host_url = str(request.base_url)
        self.path = request.scope["path"]
        self.method = request.method.lower()
        self.parameters = RequestParameters(query=request.query_params, header=request.headers)
        self.content_type = request.headers.get("content-type", "application/octet-stream")
        self.body = body


class _Outgoing:
    """
    An answer as the validator sees it.
    """

    def __init__(self, response: Response) -> None:
        self.status_code = response.status_code
        self.headers = response.headers
        self.content_type = response.headers["content-type"]
        self.data = bytes(response.body)


def validated(openapi: OpenAPI, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """
    A handler that is only given valid requests, and whose answers are only sent if they are valid too.
    """

    async def handle(request: Request) -> Response:
        incoming = _Incoming(request, await request.body())
        try:
            found = openapi.unmarshal_request(incoming)
            found.raise_for_errors()
        except OpenAPIError as error:
            return JSONResponse({"status": "invalid", "error": _told(error)}, status_code=422)
        response = await _answer(handler, Asked(request, found.parameters.path, found.body))
        try:
            openapi.validate_response(incoming, _Outgoing(response))
        except OpenAPIError as error:
            log.error(
                "%s %s: the answer is not as the contract says: %s",
                request.method,
                request.url.path,
                _told(error),
            )
            return JSONResponse(
                {"status": "failed", "error": "the answer would break the contract"}, status_code=500
            )
        return response

    return handle


async def _answer(handler: Handler, asked: Asked) -> Response:
    try:
        return JSONResponse(await handler(asked))
    except NotFound as error:
        return JSONResponse({"status": "not_found", "error": str(error)}, status_code=404)
    except DependencyUnavailable as error:
        body = {"status": "unavailable", "reason": error.reason, "error": error.error}
        return JSONResponse(body, status_code=503)


def _told(error: OpenAPIError) -> str:
    """
    What is wrong, in the validator's words; of a schema the first thing.
    """
    cause = error.__cause__
    errors = list(getattr(cause, "schema_errors", ()))
    return errors[0].message[:200] if errors else str(cause or error)[:200]
