"""A change of the contact key, recorded while no processor runs."""

from hookline.console.errors import CommandError
from runtime import contact_key
from runtime.kafka.topics_admin import admin_client
from runtime.settings import Settings
from schemas.topics import Group


async def accept(settings: Settings, replaced: str) -> None:
    """Record our key instead of the one with this fingerprint.

    Raises CommandError where processors run, which would go on with the old key, or where
    another change came first; KafkaError.
    """
    group = f"{settings.prefix}{Group.PROCESSORS}"
    async with admin_client(settings) as admin:
        for response in await admin.describe_consumer_groups([group]):
            if members := sum(len(each[5]) for each in response.groups):
                raise CommandError(
                    f"{members} processors run, with the key {replaced}: stop them all first"
                )
    await contact_key.replace(settings, replaced)
    contact_key.check(settings.contact_key, await contact_key.recorded(settings))
