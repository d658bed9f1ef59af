"""Open dashboards: each asks for one page again and again, as htmx does.

python -m tests.bench.tabs http://127.0.0.1:8900 10 10
"""

import asyncio
import sys

import httpx

PAGE = "/now"
HEADERS = {"HX-Request": "true", "HX-Target": "live"}


async def tab(client: httpx.AsyncClient, wait: float, seconds: float) -> None:
    """Ask after ``wait`` seconds, then every so many. Raises httpx.HTTPError."""
    await asyncio.sleep(wait)
    while True:
        answer = await client.get(PAGE, headers=HEADERS)
        answer.raise_for_status()
        await asyncio.sleep(seconds)


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
