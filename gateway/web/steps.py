"""Answers written in steps, so that a fault test can break a node when one is written, or half of it is.

Without a failpoint an answer is left to the server, as ever.
"""

import asyncio

from aiohttp import web

from gateway.domain.failpoint import Failpoint, Reach, pass_by

__all__ = ["answered", "half_answered"]


async def answered(request: web.Request, response: web.Response, reach: Reach) -> web.StreamResponse:
    """Return the answer to a submission; with a failpoint, written to its end before SUBMISSION_ANSWERED."""
    if reach is pass_by:
        return response
    await response.prepare(request)
    await response.write_eof()
    await _flushed()
    reach(Failpoint.SUBMISSION_ANSWERED)
    return response


async def half_answered(request: web.Request, response: web.Response, reach: Reach) -> web.StreamResponse:
    """Return the answer to a message; with a failpoint, half of its body is written before HALF_ANSWERED."""
    body = response.body
    if reach is pass_by or not isinstance(body, bytes):
        return response
    stepwise = web.StreamResponse(status=response.status, headers=response.headers)
    stepwise.content_length = len(body)
    await stepwise.prepare(request)
    await stepwise.write(body[: len(body) // 2])
    await _flushed()
    reach(Failpoint.HALF_ANSWERED)
    await stepwise.write(body[len(body) // 2 :])
    return stepwise


async def _flushed() -> None:
    # The loop hands what was written to the socket at the end of its turn.
    for _ in range(2):
        await asyncio.sleep(0)
