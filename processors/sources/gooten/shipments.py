"""Gooten's parcels: one shipment for each tracking number."""

from typing import Any, NamedTuple

from processors.sources.contract import Delivery
from processors.sources.gooten.statuses import common_status, progress
from processors.sources.readers import meta
from processors.sources.readers.fields import identifier, text
from schemas.events import Change, LineItem, Order, Shipment, ShipmentStatus

_CARRIERS = ("ShipCarrierName", "CarrierName", "Carrier")

Items = list[tuple[dict[str, Any], str]]
"""Items of the payload, each with the prefix of its fields' paths."""


class _Parcel(NamedTuple):
    """A parcel's lines, and its carrier as the first item that gives it does."""

    carrier: str | None
    lines: list[LineItem]


def shipments(
    delivery: Delivery, order: Order, items: Items, lines: list[LineItem]
) -> dict[str, Shipment]:
    """Build ``shipment-1`` … for the tracking numbers in the order of the items."""
    parcels: dict[str, _Parcel] = {}
    for (item, path), line in zip(items, lines, strict=True):
        for number, carrier in _of_item(item, path).items():
            parcel = parcels.setdefault(number, _Parcel(carrier, []))
            parcel.lines.append(line)
            if parcel.carrier is None and carrier is not None:
                parcels[number] = _Parcel(carrier, parcel.lines)
    return {
        f"shipment-{count}": _shipment(delivery, order, number, parcel, f"shipment-{count}")
        for count, (number, parcel) in enumerate(parcels.items(), start=1)
    }


def _of_item(item: dict[str, Any], path: str) -> dict[str, str | None]:
    """Map an item's tracking numbers, its own and those in ``Shipments``, to their carriers."""
    of_item = _carrier(item, path)
    number = identifier(item, "TrackingNumber", path)
    parcels = {number: of_item} if number is not None else {}
    shipments = item.get("Shipments")
    for index, parcel in enumerate(shipments if type(shipments) is list else ()):
        if type(parcel) is not dict:
            continue
        inner = f"{path}Shipments[{index}]."
        number = identifier(parcel, "TrackingNumber", inner)
        if number is not None:
            parcels[number] = _carrier(parcel, inner) or of_item
    return parcels


def _carrier(values: dict[str, Any], path: str) -> str | None:
    return next((name for key in _CARRIERS if (name := text(values, key, path))), None)


def _shipment(
    delivery: Delivery, order: Order, number: str, parcel: _Parcel, slot: str
) -> Shipment:
    statuses = {progress(line.status_word) for line in parcel.lines}
    if len(statuses) > 1:
        statuses.discard(ShipmentStatus.CANCELLED)  # the other lines are in the parcel
    return Shipment(
        meta=meta.build(
            delivery,
            entity=meta.other_entity(delivery, "shipment", number),
            slot=slot,
            event=order.meta.source_event,
            change=Change.UPDATED,
            when=None,
            adapter_version=order.meta.adapter_version,
            is_test=order.meta.is_test,
        ),
        shipment_id=number,
        order_id=order.order_id,
        customer=order.customer,
        status=statuses.pop() if len(statuses) == 1 else ShipmentStatus.UNKNOWN,
        status_word=common_status(parcel.lines),
        tracking_number=number,
        carrier=parcel.carrier,
        items=tuple(parcel.lines),
    )
