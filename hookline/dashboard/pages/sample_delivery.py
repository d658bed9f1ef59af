"""A test delivery to a shop, as `hookline send` sends one: for test shops, by who logged in."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hookline.console.errors import CommandError, error_message
from hookline.dashboard.errors import Trouble, TroubleError
from hookline.dashboard.login import forms
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door
from hookline.send import examples
from hookline.send.sender import Answer, Sender
from hookline.stack_address import StackAddress
from schemas.shops import Shop, ShopsError, load


class Shows(Protocol):
    """What the form needs of the dashboard."""

    def plain(self, request: Request, template: str, status: HTTPStatus, **values: Any) -> Response:
        """Answer with a page of no tab."""

    def guarded_form(
        self, view: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return the view with an answer for each error."""


class SampleDelivery:
    """The form of a shop's page."""

    def __init__(self, shows: Shows, stack: StackAddress, door: Door, audit: Audit) -> None:
        self._shows = shows
        self._stack = stack
        self._door = door
        self._audit = audit

    def routes(self) -> list[Route]:
        """Build the route."""
        path = "/shops/{source}/{shop}/test-delivery"
        return [Route(path, self._shows.guarded_form(self._send), methods=["POST"])]

    async def _send(self, request: Request) -> Response:
        visitor, _ = await forms.acting(request, self._door, self._audit)
        source, shop_id = request.path_params["source"], request.path_params["shop"]

        def work() -> Response:
            shop = self._test_shop(source, shop_id)
            address = self._door.address(request)
            name = f"{source}/{shop_id}"
            self._audit.write(visitor.user, "test delivery", shop=name, address=address)
            answer = _sent(self._stack.ingress_url, shop)
            return self._shows.plain(request, "sent", HTTPStatus.OK, shop=name, answer=answer)

        return await run_in_threadpool(work)

    def _test_shop(self, source: str, shop_id: str) -> Shop:
        try:
            shops = load(Path(self._stack.settings.shops_file), needs_secrets=False)
        except ShopsError as error:
            raise TroubleError(_not_sent(str(error))) from error
        shop = shops.get((source, shop_id))
        if shop is None:
            raise TroubleError(_NO_SHOP)
        if not shop.is_test:
            raise TroubleError(_NO_TEST_SHOP)
        return shop


def _sent(ingress_url: str, shop: Shop) -> Answer:
    """Send the first example that becomes events. Raises TroubleError."""
    try:
        usable = [
            name
            for name in examples.names(shop.source)
            if examples.dead_letter_reason(shop.source, name) is None
        ]
        example = examples.load(shop.source, usable[0])
        with Sender(ingress_url) as sender:
            return sender.send(shop, example)
    except (CommandError, httpx.TransportError) as error:
        raise TroubleError(_not_sent(error_message(error) or str(error))) from error


def _not_sent(reason: str) -> Trouble:
    remedy = "See whether the ingress runs (`hookline status`), and `hookline shops check`."
    return Trouble(HTTPStatus.SERVICE_UNAVAILABLE, "Nothing was sent", reason, remedy)


_NO_SHOP = Trouble(
    HTTPStatus.NOT_FOUND,
    "Not found",
    "The shops file has no such shop.",
    "`hookline shops add` adds one.",
)
_NO_TEST_SHOP = Trouble(
    HTTPStatus.CONFLICT,
    "No test shop",
    "The example's order would count among the shop's own.",
    "Set `is_test = true` for a shop to try, or have the platform send a test of its own.",
)
