"""A registry over TLS alone, with one user (basic auth)."""

from pathlib import Path

import httpx

from hookline.local.process import Child
from hookline.local.servers.registry import Registry
from runtime.process.private_files import write_private
from tests.certificates import Authority

USER, PASSWORD = "hookline", "the password of the registry"
_EMBEDDED = "quarkus.security.users.embedded"


class SecuredRegistry(Registry):
    """Certificates are those of ``authority``."""

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        super().__init__(directory, port, logs)
        self.authority = Authority(self.directory.parent / "registry-certificates").create()
        self._certificate, self._key = self.authority.sign("registry")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/apis/ccompat/v7"

    def options(self) -> list[str]:
        return [
            "-Dquarkus.http.port=0",
            f"-Dquarkus.http.ssl-port={self.port}",
            "-Dquarkus.http.insecure-requests=disabled",
            f"-Dquarkus.http.ssl.certificate.files={self._certificate}",
            f"-Dquarkus.http.ssl.certificate.key-files={self._key}",
            "-Dquarkus.http.auth.permission.all.paths=/*",
            "-Dquarkus.http.auth.permission.all.policy=authenticated",
        ]

    def prepare(self) -> Child:
        config = self.directory / "config"
        config.mkdir(exist_ok=True)
        lines = (
            "quarkus.http.auth.basic=true",
            f"{_EMBEDDED}.enabled=true",
            f"{_EMBEDDED}.plain-text=true",
            f"{_EMBEDDED}.users.{USER}={PASSWORD}",
            f"{_EMBEDDED}.roles.{USER}=sr-admin",
        )
        write_private(config / "application.properties", "\n".join(lines) + "\n")
        return super().prepare()

    def is_ready(self) -> bool:
        """Whether it refuses who has no password."""
        try:
            with httpx.Client(trust_env=False, timeout=2, verify=False) as client:  # noqa: S501
                status = client.get(f"{self.url}/subjects").status_code
        except httpx.HTTPError:
            return False
        return status == httpx.codes.UNAUTHORIZED
