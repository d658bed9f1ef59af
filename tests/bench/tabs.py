"""Open dashboards: each has a stream, and asks for its page when that says it has changed.

python -m tests.bench.tabs http://127.0.0.1:8900 10 2       ten tabs, each asks every 2 s at most
"""

import asyncio
import sys
import time

import httpx

PAGE = "/now"
STREAM = "/events?view=now"
CHANGED = "event: changed"
HEADERS = {"HX-Request": "true", "HX-Target": "live"}


async def tab(client: httpx.AsyncClient, wait: float, seconds: float) -> None:
    """Open after ``wait`` seconds; ask at most every so many, as the page's script does.

    Raises httpx.HTTPError.
    """
    await asyncio.sleep(wait)
    await _ask(client)
    asked = time.monotonic()
    async with client.stream("GET", STREAM, timeout=None) as stream:
        stream.raise_for_status()
        async for line in stream.aiter_lines():
            if line == CHANGED and time.monotonic() - asked >= seconds:
                asked = time.monotonic()
                await _ask(client)
    raise httpx.RemoteProtocolError("the dashboard ended the stream")


async def _ask(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE, headers=HEADERS)
    answer.raise_for_status()


async def tabs(url: str, count: int, seconds: float) -> None:
    """Open them one after the other, so that they do not ask at once."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(count):
            group.create_task(tab(client, number * seconds / count, seconds))


def main() -> None:
    """Ask until somebody ends it, or an answer is an error."""
    url, count, seconds = sys.argv[1:]
    asyncio.run(tabs(url, int(count), float(seconds)))


if __name__ == "__main__":
    main()
