"""ACLs as the tools take them that grant them: kafka-acls, Strimzi's KafkaUser, Redpanda's rpk."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hookline.acls.rights import CLUSTER, Right

_NO_NAME = "kafka-cluster"


@dataclass(frozen=True, slots=True)
class User:
    """A principal of the table and the user that it is on the brokers (``User:name``)."""

    principal: str
    name: str
    rights: Sequence[Right]


@dataclass(frozen=True, slots=True)
class _Line:
    """Rights that one command grants: operations that hold for the same resources."""

    operations: tuple[str, ...]
    resource: str
    names: tuple[str, ...]
    is_prefix: bool
    reason: str


def kafka_acls(user: User, brokers: str) -> str:
    """Return commands of Kafka's own tool, one for each reason."""
    return _script(user, (_kafka_acls(user, line, brokers) for line in _lines(user.rights)))


def _kafka_acls(user: User, line: _Line, brokers: str) -> list[str]:
    arguments = ["kafka-acls", "--bootstrap-server", brokers, "--add"]
    arguments += ["--allow-principal", f"User:{user.name}"]
    for operation in line.operations:
        arguments += ["--operation", operation]
    if line.resource == CLUSTER:
        arguments.append("--cluster")
    for name in line.names:
        arguments += [f"--{line.resource}", name]
    return arguments + ["--resource-pattern-type", "prefixed"] * line.is_prefix


def redpanda(user: User) -> str:
    """Return commands of ``rpk``."""
    lines = list(_lines(user.rights))
    if any(right.operation == "Write" for right in user.rights):
        # Apache Kafka asks idempotent producers for nothing but Write since 3.0.
        reason = "idempotent producers, which Redpanda may ask for it"
        lines.append(_Line(("IdempotentWrite",), CLUSTER, (), is_prefix=False, reason=reason))
    return _script(user, (_rpk(user, line) for line in lines))


def _rpk(user: User, line: _Line) -> list[str]:
    arguments = ["rpk", "security", "acl", "create", "--allow-principal", f"User:{user.name}"]
    arguments += ["--operation", ",".join(map(_snake, line.operations))]
    if line.resource == CLUSTER:
        return [*arguments, "--cluster"]
    arguments += [f"--{line.resource}", ",".join(line.names)]
    return arguments + ["--resource-pattern-type", "prefixed"] * line.is_prefix


def strimzi(user: User, *, is_tls: bool) -> str:
    """Return a KafkaUser for the API of Strimzi 0.49 and newer.

    ``is_tls``: the user has a client certificate, not a password (SCRAM-SHA-512). JSON texts are
    YAML's too, so that no name can be anything but a text.
    """
    kind = "tls" if is_tls else "scram-sha-512"
    lines = [
        "apiVersion: kafka.strimzi.io/v1",
        "kind: KafkaUser",
        "metadata:",
        f"  name: {json.dumps(user.name)}",
        "  labels:",
        "    strimzi.io/cluster: my-cluster  # the name of your Kafka resource",
        "spec:",
        f"  authentication: {{type: {kind}}}",
        "  authorization:",
        "    type: simple",
        "    acls:" + " []" * (not user.rights),
    ]
    for line in _lines(user.rights):
        lines.append(f"      # {line.reason}")
        for name in line.names or ("",):
            lines.append(f"      - resource: {_resource(line, name)}")
            lines.append(f"        operations: [{', '.join(line.operations)}]")
    return "\n".join(lines)


def _resource(line: _Line, name: str) -> str:
    if line.resource == CLUSTER:
        return "{type: cluster}"
    pattern = "prefix" if line.is_prefix else "literal"
    return f"{{type: {line.resource}, name: {json.dumps(name)}, patternType: {pattern}}}"


def as_json(users: Iterable[User]) -> list[dict[str, Any]]:
    """Return the ACLs one by one, in the terms of Kafka's own tools."""
    return [
        {
            "role": user.principal,
            "principal": f"User:{user.name}",
            "operation": right.operation,
            "resource": right.resource,
            "name": right.name or _NO_NAME,
            "pattern": "prefixed" if right.is_prefix else "literal",
            "reason": right.reason,
        }
        for user in users
        for right in user.rights
    ]


def _lines(rights: Iterable[Right]) -> Iterator[_Line]:
    """Group rights of one reason and resource: all operations hold for all of the names."""
    groups: dict[tuple[str, str, bool], list[Right]] = {}
    for right in rights:
        groups.setdefault((right.reason, right.resource, right.is_prefix), []).append(right)
    for (reason, resource, is_prefix), members in groups.items():
        operations = tuple(dict.fromkeys(right.operation for right in members))
        names = tuple(dict.fromkeys(right.name for right in members if right.name))
        yield _Line(operations, resource, names, is_prefix, reason)


def _script(user: User, commands: Iterable[list[str]]) -> str:
    lines = [shlex.join(arguments) for arguments in commands]
    return "\n".join([f"# {user.principal}", *(lines or ["# no right in Kafka"])])


def _snake(operation: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
