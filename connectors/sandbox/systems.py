"""The four systems as HTTP: what they accept, what they answer, when they say no."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from connectors.documents.client import DocumentRequest, Upload
from connectors.notifications.client import Message
from connectors.payments.client import PaymentOrder, ReversalOrder
from connectors.sandbox.faults import SYSTEMS, Fault, FaultPlan
from connectors.sandbox.store import KeyReused, Row, Store

MAX_BODY_BYTES = 1024 * 1024

M = TypeVar("M", bound=BaseModel)


class Refusal(Exception):
    """A system says no."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error


def build_app(store: Store, plan: FaultPlan) -> Starlette:
    """The four systems and ``/admin``, as one ASGI application (without the faults: see :class:`connectors.sandbox.faults.Misbehaviour`)."""
    systems = _Systems(store)
    admin = _Admin(store, plan)
    routes = [
        Mount("/policies", routes=[Route("/{number}", _guarded(systems.policy))]),
        Route("/payments", _guarded(systems.payments), methods=["GET", "POST"]),
        Route("/payments/{payment_id}/reversal", _guarded(systems.reverse), methods=["POST"]),
        Route("/documents", _guarded(systems.documents), methods=["GET", "POST"]),
        Route("/documents/requests", _guarded(systems.requests), methods=["GET", "POST"]),
        Route("/notifications", _guarded(systems.notifications), methods=["GET", "POST"]),
        Route("/admin/faults", _guarded(admin.faults), methods=["GET", "DELETE"]),
        Route("/admin/faults/{system}", _guarded(admin.fault), methods=["POST", "DELETE"]),
        Route("/admin/effects", _guarded(admin.effects)),
    ]
    return Starlette(routes=routes)


def _guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error, "message": str(refusal)}, refusal.status)
        except KeyReused as reused:
            return JSONResponse({"error": "key_reused", "message": str(reused)}, 409)

    return serve


class _Systems:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def policy(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = await asyncio.to_thread(self._store.policy, number)
        if found is None:
            raise Refusal(404, "unknown_policy", f"there is no policy {number}")
        return JSONResponse(found)

    async def payments(self, request: Request) -> Response:
        if request.method == "GET":
            return await self._list(request, "payments", _booking)
        order = await _body(request, PaymentOrder)
        row: Row = {"claim_id": order.claim_id, "payee": order.payee, "amount": order.amount, "booked_at": _time(order.requested_at)}
        return await self._once(request, "payments", row, ("claim_id", "payee", "amount"), _booking)

    async def reverse(self, request: Request) -> Response:
        payment_id = request.path_params["payment_id"]
        order = await _body(request, ReversalOrder)
        number = re.fullmatch(r"PAY-(\d{1,12})", payment_id)
        row = None
        if number is not None:
            row = await asyncio.to_thread(self._store.reverse, int(number[1]), order.amount, _key(request), _time(order.requested_at))
        if row is None:
            raise Refusal(404, "unknown_payment", f"there is no payment {payment_id} of {order.amount} dollars")
        return JSONResponse(_booking(row))

    async def documents(self, request: Request) -> Response:
        if request.method == "GET":
            return await self._list(request, "documents", _document)
        upload = await _body(request, Upload)
        row: Row = {**upload.model_dump(), "received_at": _time(upload.received_at)}
        return await self._once(request, "documents", row, ("claim_id", "name", "text"), _document)

    async def requests(self, request: Request) -> Response:
        if request.method == "GET":
            return await self._list(request, "requests", _request)
        what = await _body(request, DocumentRequest)
        row: Row = {
            "claim_id": what.claim_id,
            "wanted": "\n".join(what.wanted),
            "note": what.note,
            "requested_at": _time(what.requested_at),
        }
        return await self._once(request, "requests", row, ("claim_id", "wanted"), _request)

    async def notifications(self, request: Request) -> Response:
        if request.method == "GET":
            return await self._list(request, "outbox", _notification)
        message = await _body(request, Message)
        row: Row = {
            "claim_id": message.claim_id,
            "recipient": message.to,
            "template": message.template,
            "subject": message.subject,
            "text": message.text,
            "queued_at": _time(message.requested_at),
        }
        return await self._once(request, "outbox", row, ("claim_id", "recipient", "template", "text"), _notification)

    async def _once(self, request: Request, table: str, row: Row, same: tuple[str, ...], show: Callable[[Row], Row]) -> Response:
        stored, new = await asyncio.to_thread(self._store.once, table, _key(request), row, same)
        return JSONResponse(show(stored), 201 if new else 200)

    async def _list(self, request: Request, table: str, show: Callable[[Row], Row]) -> Response:
        claim_id = request.query_params.get("claim_id")
        if not claim_id:
            raise Refusal(400, "missing_parameter", "say which claim: ?claim_id=CLM-000123")
        rows = await asyncio.to_thread(self._store.of_claim, table, claim_id)
        return JSONResponse({_PLURALS[table]: [show(row) for row in rows]})


class _Admin:
    def __init__(self, store: Store, plan: FaultPlan) -> None:
        self._store = store
        self._plan = plan

    async def faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._plan.clear()
        return JSONResponse(self._state())

    async def fault(self, request: Request) -> Response:
        system = request.path_params["system"]
        if system not in SYSTEMS:
            raise Refusal(404, "unknown_system", f"there is no system '{system}': use one of {', '.join(SYSTEMS)}")
        if request.method == "DELETE":
            self._plan.clear(system)
        else:
            self._plan.add(system, await _body(request, Fault))
        return JSONResponse(self._state())

    async def effects(self, request: Request) -> Response:
        return JSONResponse({"effects": await asyncio.to_thread(self._store.effects)})

    def _state(self) -> dict[str, list[dict[str, Any]]]:
        return {system: [fault.model_dump() for fault in faults] for system, faults in self._plan.active().items()}


_PLURALS = {"payments": "payments", "requests": "requests", "documents": "documents", "outbox": "notifications"}


async def _body(request: Request, model: type[M]) -> M:
    if int(request.headers.get("content-length") or 0) > MAX_BODY_BYTES:
        raise Refusal(413, "too_large", f"at most {MAX_BODY_BYTES} bytes")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as wrong:
        problem = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise Refusal(422, "invalid_request", f"{place}: {problem['msg']}") from wrong


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not key or len(key) > 200:
        raise Refusal(400, "missing_key", "send a header Idempotency-Key of 1 to 200 characters")
    return key


def _time(moment: datetime) -> str:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _booking(row: Row) -> Row:
    shown = {name: value for name, value in row.items() if name != "number"}
    return {"payment_id": f"PAY-{row['number']:06d}", "state": "reversed" if row["reversal_key"] else "booked", **shown}


def _document(row: Row) -> Row:
    return {"document_id": f"DOC-{row['number']:06d}", **{name: row[name] for name in ("claim_id", "name", "media_type", "received_at")}}


def _request(row: Row) -> Row:
    names = ("idempotency_key", "claim_id", "note", "requested_at")
    return {"request_id": f"REQ-{row['number']:06d}", "wanted": row["wanted"].split("\n"), **{name: row[name] for name in names}}


def _notification(row: Row) -> Row:
    names = ("idempotency_key", "claim_id", "template", "subject", "text", "queued_at")
    return {"notification_id": f"NOT-{row['number']:06d}", "to": row["recipient"], **{name: row[name] for name in names}}
