"""The registry's HTTP API. Any registry with the Confluent API works."""

import asyncio
import json
import ssl
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from runtime.settings import Settings, trusting

_TIMEOUT = 5.0
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class RegistryError(RuntimeError):
    """The registry or one of our schemas cannot be used; the message has the remedy."""


class RegistryAwayError(RegistryError):
    """The registry is unreachable or overloaded; the same call may succeed later."""


class SchemaMissingError(RegistryError):
    """The registry does not have a schema or a subject."""


def shown(url: str) -> str:
    """Return a URL without the user and password that it may hold."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


class RegistryClient:
    """The registry's HTTP API, as far as it is used. Use as an async context manager.

    Raises RegistryAwayError where waiting helps, SchemaMissingError for a schema or subject that
    does not exist, RegistryError for a refusal.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.registry_url.rstrip("/")
        host = urlsplit(self._url)
        self._shown = shown(self._url)
        auth = None
        if settings.registry_username is not None:
            auth = (settings.registry_username, settings.registry_password or "")
        secure = host.scheme == "https"
        self._http = httpx.AsyncClient(
            auth=auth,
            timeout=_TIMEOUT,
            trust_env=host.hostname not in _LOOPBACK,  # proxies do not apply to this machine
            verify=_trusting(settings) if secure else True,
            headers={"Accept": "application/vnd.schemaregistry.v1+json, application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        try:
            # httpx bounds each read; an answer that trickles in needs a bound as a whole.
            async with asyncio.timeout(2 * _TIMEOUT):
                response = await self._http.request(method, f"{self._url}{path}", json=body)
        except (httpx.TransportError, TimeoutError) as error:
            if _UNTRUSTED in str(error):
                raise RegistryAwayError(
                    f"the registry's certificate at {self._shown} is not trusted: set"
                    " HOOKLINE_REGISTRY_CAFILE to the authority that signed it"
                ) from error
            raise RegistryAwayError(
                f"no registry answers at {self._shown} ({type(error).__name__}): "
                "is it running, is HOOKLINE_REGISTRY_URL right?"
            ) from error
        status = response.status_code
        if status == httpx.codes.NOT_FOUND:
            raise SchemaMissingError(f"the registry has no {path}")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise RegistryError(
                f"the registry refuses our credentials ({status}): check "
                "HOOKLINE_REGISTRY_USERNAME and HOOKLINE_REGISTRY_PASSWORD"
            )
        if response.is_server_error or status == httpx.codes.TOO_MANY_REQUESTS:
            raise RegistryAwayError(f"the registry answers {status} to {path}")
        if not response.is_success:
            raise RegistryError(
                f"the registry refuses {method} {path} ({status}): {response.text[:500]}"
            )
        try:
            return response.json() if response.content else None
        except json.JSONDecodeError as error:
            raise RegistryError(
                f"{self._shown} is not the Confluent API: set HOOKLINE_REGISTRY_URL to its "
                "base (Apicurio: http://host:port/apis/ccompat/v7)"
            ) from error

    async def register(self, subject: str, text: str) -> int:
        """Register a schema under a subject unless it is; return its id."""
        return await self._schema_id(f"/subjects/{quote(subject, safe='')}/versions", text)

    async def look_up(self, subject: str, text: str) -> int:
        """Return the id of a schema that is registered under a subject."""
        return await self._schema_id(f"/subjects/{quote(subject, safe='')}", text)

    async def _schema_id(self, path: str, text: str) -> int:
        answer = await self._request("POST", path, {"schema": text, "schemaType": "AVRO"})
        return int(answer["id"])

    async def schema(self, schema_id: int) -> Any:
        """Return the parsed schema with an id."""
        answer = await self._request("GET", f"/schemas/ids/{schema_id}")
        return json.loads(answer["schema"])

    async def require(self, subject: str, compatibility_level: str) -> None:
        """Set the level at which the registry checks new versions of a subject."""
        path = f"/config/{quote(subject, safe='')}"
        await self._request("PUT", path, {"compatibility": compatibility_level})


def _trusting(settings: Settings) -> ssl.SSLContext:
    if settings.registry_cafile:
        return trusting(settings.registry_cafile, "HOOKLINE_REGISTRY_CAFILE")
    return trusting(settings.ssl_cafile, "HOOKLINE_SSL_CAFILE")
