"""Bare Starlette: reads the body and answers 200. No proof, no key, no Kafka.

python -m tests.bench.baselines.starlette
"""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runtime.settings import from_env


async def deliver(request: Request) -> Response:
    """Take the body, do nothing with it."""
    await request.body()
    return Response(b'{"delivery":"0198c0de-0000-7000-8000-000000000000"}')


async def ready(_request: Request) -> Response:
    """It always is."""
    return PlainTextResponse("ready")


app = Starlette(routes=[Route("/readyz", ready), Route("/{rest:path}", deliver, methods=["POST"])])

if __name__ == "__main__":
    settings = from_env()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
