"""What the webhook answers the API server about pods, over HTTP."""

from __future__ import annotations

import asyncio

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from pilothouse.admin.probes import pages_of
from pilothouse.kubernetes.fields import FieldError
from pilothouse.sidecar.admission import NoReview, Verdict, review
from pilothouse.sidecar.injection import Injected, Skipped
from pilothouse.sidecar.wishes import Template

log = structlog.get_logger(__name__)

#: An API server takes no larger object than 3 MiB; a review has it once, and little else.
LARGEST = 4 << 20
#: What all bodies together may take, while they are being read.
_ROOM = 64 << 20
_BODY_S = 5.0


def reviews(template: Template) -> Starlette:
    """The application for the API server."""
    return pages_of({"/inject": _Reviews(template).answer}, "POST")


class _Reviews:
    def __init__(self, template: Template) -> None:
        self._template = template
        self._held = 0  # bytes of bodies that are being read

    async def answer(self, request: Request) -> Response:
        """An AdmissionReview; else an error, on which the API server goes by the failurePolicy."""
        try:
            body = await self._body(request)
            verdict = review(msgspec.json.decode(body), self._template)
            answer = msgspec.json.encode(verdict.answer)
        except HTTPException as refusal:
            return _refused(request, refusal.status_code, refusal.detail)
        except NoReview as error:
            return _refused(request, 400, str(error))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return _refused(request, 400, f"is no JSON that can be read: {error}")
        _tell(verdict)
        return Response(answer, media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        """Raises HTTPException if it is too large, or comes too slowly."""
        found = bytearray()
        try:
            async with asyncio.timeout(_BODY_S):
                async for chunk in request.stream():
                    found += chunk
                    self._held += len(chunk)
                    if len(found) > LARGEST:
                        raise HTTPException(413, f"is larger than {LARGEST} bytes")
                    if self._held > _ROOM:
                        raise HTTPException(503, "is too much beside the others that are being read")
        except TimeoutError:
            raise HTTPException(408, f"has not come within {_BODY_S:g} s") from None
        except ClientDisconnect:
            raise HTTPException(400, "is cut off") from None
        finally:
            self._held -= len(found)
        return bytes(found)


def _refused(request: Request, status: int, reason: str) -> Response:
    peer = request.client.host if request.client else ""
    log.warning("a review cannot be answered", peer=peer, status=status, reason=f"the body {reason}")
    # What is left of a body is not waited for.
    return PlainTextResponse(f"the body {reason}\n", status, headers={"Connection": "close"})


def _tell(verdict: Verdict) -> None:
    match verdict.outcome:
        case Injected():
            log.info("sidecar added", pod=verdict.pod)
        case FieldError() as mistake:
            log.warning("pod refused", pod=verdict.pod, reason=str(mistake))
        case Skipped(why=why):
            if why:
                log.info("no sidecar", pod=verdict.pod, reason=why)
