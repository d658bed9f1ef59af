"""Meta of an event: origin, time, version, the settings in force."""

from processors.sources.contract import Delivery
from processors.sources.readers.times import Moment
from schemas.envelopes import event_id
from schemas.events import Change, Meta, Micros, ShopSettings, TimeBasis
from schemas.keys import entity_key
from schemas.shops import Shop

_KEPT: dict[int, tuple[Shop, ShopSettings]] = {}
_MAX_KEPT = 1024
_CREATED, _RECEIVED = Change.CREATED, TimeBasis.RECEIVED


def settings(shop: Shop) -> ShopSettings:
    """The shop's settings that change what the tables say; durations in seconds."""
    kept = _KEPT.get(id(shop))
    if kept is not None and kept[0] is shop:
        return kept[1]
    made = ShopSettings(
        currency=shop.currency,
        timezone=shop.timezone,
        abandon_after_s=shop.abandon_after,
        expire_after_s=shop.expire_after,
        checkout_grace_s=shop.checkout_grace,
        taxes_included=shop.taxes_included,
        counts_as_sale=shop.counts_as_sale,
    )
    if len(_KEPT) >= _MAX_KEPT:
        _KEPT.clear()
    _KEPT[id(shop)] = (shop, made)
    return made


def primary(
    delivery: Delivery,
    *,
    slot: str,
    event: str,
    change: Change,
    when: Moment | None,
    adapter_version: int,
    version_at: Micros | None = None,
    is_test: bool = False,
    entity: str | None = None,
) -> Meta:
    """Meta of the delivery's own entity, which is the raw key, unless another is given.

    ``when`` dates the change (None: nothing in the body does). ``version_at`` is the source's
    change time where that is another one.
    """
    raw, shop = delivery.raw, delivery.shop
    received, delivery_id = raw.received_at, raw.delivery_id
    partition, offset, appended_ms = raw.version_origin
    appended = appended_ms * 1000
    if when is None or when.at > received:
        occurred, basis = received, _RECEIVED
    else:
        occurred, basis = when
    if version_at is None:
        version_at = when.at if when is not None else appended
    if change is _CREATED and version_at > appended:
        version_at = appended
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
    )


def secondary(
    delivery: Delivery,
    kind: str,
    native_id: str,
    *,
    slot: str,
    event: str,
    change: Change,
    when: Moment | None,
    adapter_version: int,
    version_at: Micros | None = None,
    is_test: bool = False,
) -> Meta:
    """Meta of another entity that the delivery tells of."""
    return primary(
        delivery,
        slot=slot,
        event=event,
        change=change,
        when=when,
        adapter_version=adapter_version,
        version_at=version_at,
        is_test=is_test,
        entity=entity_key(delivery.raw.source, delivery.raw.shop, kind, native_id),
    )
