"""A broker with users and rights: SASL/PLAIN on a second listener, Kafka's own authorizer.

Clients of the first listener are ``User:ANONYMOUS``, which may do everything.
"""

from collections.abc import Iterable
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

from hookline.local.process import free_port
from hookline.local.servers.kafka import Kafka
from runtime.settings import Settings

USER = "stage"
PASSWORD = "the password of the stage"

TOPIC, GROUP, CLUSTER = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.BROKER


class SecuredKafka(Kafka):
    """A broker whose second listener, ``secured_port``, asks for user and password."""

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        super().__init__(directory, port, logs)
        self.secured_port = free_port()

    def properties(self) -> dict[str, str]:
        properties = super().properties()
        properties["listeners"] += f",SECURED://127.0.0.1:{self.secured_port}"
        properties["advertised.listeners"] += f",SECURED://127.0.0.1:{self.secured_port}"
        return properties | {
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT"
            ),
            "listener.name.secured.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secured.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required"
                f' user_{USER}="{PASSWORD}";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def secured(self, settings: Settings, **changes: Any) -> Settings:
        """The settings of a stage that is ``USER``."""
        user: dict[str, Any] = {
            "brokers": f"127.0.0.1:{self.secured_port}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
        }
        return replace(settings, **user | changes)


class Rights:
    """What ``USER`` may do on a broker."""

    def __init__(self, brokers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": brokers})

    def allow(
        self, kind: ResourceType, name: str, *operations: str, prefixed: bool = False
    ) -> None:
        """Grant operations on one topic or group, or on all whose names begin so."""
        self._create(
            _binding(kind, name, operation, AclPermissionType.ALLOW, prefixed=prefixed)
            for operation in operations
        )

    def deny(self, kind: ResourceType, name: str, operation: str) -> None:
        """Take one right away, whatever is granted."""
        self._create([_binding(kind, name, operation, AclPermissionType.DENY)])

    def restore(self, kind: ResourceType, name: str, operation: str) -> None:
        """Give back what was taken away."""
        self._delete(_binding(kind, name, operation, AclPermissionType.DENY, AclBindingFilter))

    def _create(self, bindings: Iterable[AclBinding]) -> None:
        for done in self._admin.create_acls(list(bindings)).values():
            done.result(30)

    def _delete(self, wanted: AclBindingFilter) -> None:
        for done in self._admin.delete_acls([wanted]).values():
            done.result(30)


def _binding(
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
    return made(kind, name, pattern, f"User:{USER}", "*", right, permission)
