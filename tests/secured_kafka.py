"""A broker with users and rights: Kafka's own authorizer behind three listeners.

``secured_port`` asks for user and password (SASL/PLAIN), ``tls_port`` for a client's certificate.
Clients of the first listener are ``User:ANONYMOUS``, which may do everything.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from hookline.acls.rights import Right
from hookline.local.process import free_port
from hookline.local.servers.kafka import Kafka
from runtime.settings import Settings
from tests.certificates import Authority

USER = "stage"
PASSWORD = "the password of the stage"
PASSWORDS = {
    USER: PASSWORD,
    **{name: f"the password of {name}" for name in ("ingest", "process", "sink")},
}

TOPIC, GROUP, CLUSTER = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.BROKER
_KINDS = {"topic": TOPIC, "group": GROUP, "cluster": CLUSTER}
_MAP = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT,MUTUAL:SSL"


class SecuredKafka(Kafka):
    """A broker with two listeners more. Certificates are those of ``authority``."""

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        super().__init__(directory, port, logs)
        self.secured_port, self.tls_port = free_port(), free_port()
        self.authority = Authority(self.directory.parent / "certificates").create()
        certificate, key = self.authority.sign("broker")
        self._store = self.authority.folder / "broker-store.pem"
        self._store.write_text(key.read_text() + certificate.read_text())

    def properties(self) -> dict[str, str]:
        properties = super().properties()
        for name, port in (("SECURED", self.secured_port), ("MUTUAL", self.tls_port)):
            properties["listeners"] += f",{name}://127.0.0.1:{port}"
            properties["advertised.listeners"] += f",{name}://127.0.0.1:{port}"
        users = "".join(f' user_{name}="{password}"' for name, password in PASSWORDS.items())
        return properties | {
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": _MAP,
            "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secured.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required{users};"
            ),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.keystore.type": "PEM",
            "listener.name.mutual.ssl.keystore.location": str(self._store),
            "listener.name.mutual.ssl.truststore.type": "PEM",
            "listener.name.mutual.ssl.truststore.location": str(self.authority.cafile),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def secured(self, settings: Settings, user: str = USER, **changes: Any) -> Settings:
        """The settings of a stage that is ``user``, by its password."""
        own: dict[str, Any] = {
            "brokers": f"127.0.0.1:{self.secured_port}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_username": user,
            "sasl_password": PASSWORDS[user],
        }
        return replace(settings, **own | changes)

    def certified(self, settings: Settings, user: str, password: str = "") -> Settings:
        """The settings of a stage that is ``CN=user``, by its certificate."""
        certificate, key = self.authority.sign(user, password)
        return replace(
            settings,
            brokers=f"127.0.0.1:{self.tls_port}",
            security_protocol="SSL",
            ssl_cafile=str(self.authority.cafile),
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            ssl_key_password=password or None,
        )


class Rights:
    """What a user may do on a broker."""

    def __init__(self, brokers: str, user: str = USER) -> None:
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
        self.user = user

    def allow(
        self, kind: ResourceType, name: str, *operations: str, prefixed: bool = False
    ) -> None:
        """Grant operations on one topic or group, or on all whose names begin so."""
        self._create(
            self._binding(kind, name, operation, AclPermissionType.ALLOW, prefixed=prefixed)
            for operation in operations
        )

    def grant(self, *rights: Right) -> None:
        """Grant rights of the table; of several stages, what they share once."""
        once = {
            (right.operation, right.resource, right.name, right.is_prefix): right
            for right in rights
        }
        self._create(self._of_table(right, AclBinding) for right in once.values())

    def take(self, right: Right) -> None:
        """Take away a right of the table that was granted."""
        self._delete(self._of_table(right, AclBindingFilter))

    def deny(self, kind: ResourceType, name: str, operation: str) -> None:
        """Take one right away, whatever is granted."""
        self._create([self._binding(kind, name, operation, AclPermissionType.DENY)])

    def restore(self, kind: ResourceType, name: str, operation: str) -> None:
        """Give back what was taken away."""
        self._delete(self._binding(kind, name, operation, AclPermissionType.DENY, AclBindingFilter))

    def _create(self, bindings: Iterable[AclBinding]) -> None:
        """Return when the broker applies them too: the controller answers a little earlier."""
        wanted = list(bindings)
        for done in self._admin.create_acls(wanted).values():
            done.result(30)
        every = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{self.user}", None,
            AclOperation.ANY, AclPermissionType.ANY,
        )  # fmt: skip
        self._wait(lambda: set(wanted) <= set(self._admin.describe_acls(every).result(30)))

    def _delete(self, wanted: AclBindingFilter) -> None:
        for done in self._admin.delete_acls([wanted]).values():
            done.result(30)
        self._wait(lambda: not self._admin.describe_acls(wanted).result(30))

    @staticmethod
    def _wait(is_applied: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not is_applied():
            assert time.monotonic() < until, "the broker does not apply its rights"
            time.sleep(0.02)

    def _of_table(self, right: Right, made: Any) -> Any:
        operation = "".join(f"_{c}" if c.isupper() else c for c in right.operation).strip("_")
        name = right.name or "kafka-cluster"
        return self._binding(
            _KINDS[right.resource],
            name,
            operation.upper(),
            AclPermissionType.ALLOW,
            made,
            prefixed=right.is_prefix,
        )

    def _binding(
        self,
        kind: ResourceType,
        name: str,
        operation: str,
        permission: AclPermissionType,
        made: Any = AclBinding,
        *,
        prefixed: bool = False,
    ) -> Any:
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        right = AclOperation[operation]
        return made(kind, name, pattern, f"User:{self.user}", "*", right, permission)
