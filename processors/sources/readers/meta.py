"""The meta of an event: origin, time, version, the settings in force."""

from processors.sources.contract import Delivery
from processors.sources.readers.times import Moment
from schemas.envelopes import event_id
from schemas.events import Change, Meta, Micros, ShopSettings, TimeBasis
from schemas.keys import entity_key
from schemas.shops import Shop

_settings: dict[int, tuple[Shop, ShopSettings]] = {}
"""By the shop's id(). The shop is held too: else another object could get its id."""
_MAX_SETTINGS = 1024
_RECEIVED, _PAYLOAD = TimeBasis.RECEIVED, TimeBasis.PAYLOAD


def settings(shop: Shop) -> ShopSettings:
    """Return the shop's settings that affect the tables; durations in seconds."""
    cached = _settings.get(id(shop))
    if cached is not None and cached[0] is shop:
        return cached[1]
    result = ShopSettings(
        currency=shop.currency,
        timezone=shop.timezone,
        abandon_after_s=shop.abandon_after,
        expire_after_s=shop.expire_after,
        checkout_grace_s=shop.checkout_grace,
        taxes_included=shop.taxes_included,
        counts_as_sale=shop.counts_as_sale,
    )
    if len(_settings) >= _MAX_SETTINGS:
        _settings.clear()
    _settings[id(shop)] = (shop, result)
    return result


def build(
    delivery: Delivery,
    *,
    slot: str,
    event: str,
    change: Change,
    when: Moment | None,
    adapter_version: int,
    state_at: Micros | None = None,
    is_test: bool = False,
    entity: str | None = None,
) -> Meta:
    """Build the meta of an event.

    ``when`` dates the change (None: nothing in the body does). ``state_at`` is the time of the
    state that the payload shows, where that differs from ``when``. ``entity`` is the delivery's
    own, the raw key, unless another is given. An imported delivery dates itself: where its body
    does not, its mark does, never its receipt.
    """
    raw, shop = delivery.raw, delivery.shop
    imported = raw.imported
    received, delivery_id = raw.received_at, raw.delivery_id
    partition, offset, appended_ms = raw.version_origin
    appended = appended_ms * 1000
    if when is None or when.at > received:  # a time after the receipt: a wrong clock
        occurred, basis = received, _RECEIVED
    else:
        occurred, basis = when
    if state_at is None and when is not None:
        state_at = when.at
    import_id = history_from = None
    if imported is not None:
        import_id, history_from = imported.import_id, imported.history_from
        if when is None:
            occurred, basis = imported.at, _PAYLOAD
        if state_at is None:
            state_at = imported.state_at
    # A clock that runs ahead must not outlive what comes after it.
    version_at = appended if state_at is None or state_at > appended else state_at
    return Meta(
        event_id(delivery_id, slot),
        delivery_id,
        raw.source,
        raw.shop,
        raw.entity if entity is None else entity,
        slot,
        event,  # as source_event
        change,
        occurred,
        basis,
        version_at,
        received,
        partition,
        offset,
        appended,
        is_test or shop.is_test,
        adapter_version,
        settings(shop),
        state_at,
        import_id,
        history_from,
    )


def other_entity(delivery: Delivery, kind: str, native_id: str) -> str:
    """Return the key of an entity that is not the delivery's own."""
    return entity_key(delivery.raw.source, delivery.raw.shop, kind, native_id)
