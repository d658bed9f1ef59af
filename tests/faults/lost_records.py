"""Raw records that are gone before a processor came to them, and what an operator does then."""

import subprocess
import sys

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from runtime.kafka import log_reader, topics_admin
from runtime.settings import Settings
from schemas.topics import WEBHOOKS
from tests.pipeline import command_environment


async def trim(settings: Settings, partition: int) -> None:
    """Delete all records of a raw partition, as a retention that is too short would."""
    place = TopicPartition(settings.topic(WEBHOOKS), partition)
    async with log_reader.consumer(settings) as client:
        end = (await log_reader.end_offsets(client, [place]))[place]
    async with topics_admin.admin_client(settings) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=end)})


async def first_offset(settings: Settings, partition: int) -> int:
    """Return the first offset of a raw partition that still exists."""
    place = TopicPartition(settings.topic(WEBHOOKS), partition)
    async with log_reader.consumer(settings) as client:
        return int((await log_reader.beginning_offsets(client, [place]))[place])


def accept_loss(settings: Settings, partition: int, until: int) -> None:
    """Give up what is gone, by the command. Raises RuntimeError with its words."""
    command = ("accept-loss", str(partition), "--until", str(until), "--yes")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hookline", *command],
        env=command_environment(settings, command[0]),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
