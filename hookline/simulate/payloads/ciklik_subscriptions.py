"""Ciklik's subscriptions, and the addresses and profiles that users have too."""

from functools import lru_cache
from typing import Any

import msgspec

from hookline.simulate.payloads import spelling
from hookline.simulate.world.facts import Change, Customer, SubscriptionState

Body = dict[str, Any]
PROFILE = msgspec.Raw(
    '{"id":124540,"attribute":{"id":47,"name":"Votre Profil"},"values":['
    '{"id":259955,"property":{"id":133,"name":"Votre sexe","type":"list","predefined":true},'
    '"propValue":{"id":563,"value":"Homme"}},'
    '{"id":259956,"property":{"id":134,"name":"Quel est votre âge ?","type":"list",'
    '"predefined":true},"propValue":{"id":567,"value":"Entre 35 et 45 ans"}},'
    '{"id":259957,"property":{"id":135,"name":"Quelle est votre taille de vêtement ?",'
    '"type":"list","predefined":true},"propValue":{"id":573,"value":"L"}}]}'.encode()
)
_PLAN = msgspec.Raw(
    b'{"id":1057,"uuid":"ma-formule-3-mois","name":"Formule 3 Mois","short_name":null,'
    b'"more":null,"image":"https://s4.eu-image-1.amazonaws.com/boxraiser/","start_at":null,'
    b'"price":30,"category":null,"tax":0.000,"addons":[],"interval":"month",'
    b'"interval_count":1,"shipped_count":1,"advanced_mod":null,"position":444,'
    b'"engaged_interval":0,"engaged":false}'
)
_TRANSPORTER = msgspec.Raw(
    '{"id":381,"name":"Livraison à domicile","description":"1 livraisons par mois","price":0,'
    '"gift":false,"active":true,"shipped_count":1,"type":"subs"}'.encode()
)


@lru_cache(maxsize=4096)
def uuid_of(number: int) -> str:
    """Return the uuid of a subscription."""
    digits = spelling.token("subscription", number)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def address(customer: Customer) -> Body:
    """Return an address of a user."""
    first, last = spelling.names(customer)
    return {
        "id": 900_000 + (customer.number or 0),
        "address": spelling.street(customer),
        "address1": "",
        "postcode": "75000",
        "city": spelling.city(customer),
        "phone": spelling.phone(customer),
        "first_name": first.upper(),
        "last_name": last.upper(),
        "country": {"id": 2, "name": "France Métropolitaine", "alphaCode": "FR"},
    }


def subscription(fact: SubscriptionState) -> Body:
    """Return a subscription; its totals are not given."""
    created = spelling.utc_micros(fact.created_at)
    is_active = fact.status != "inactive" and fact.change is not Change.DELETED
    return {
        "id": fact.number,
        "uuid": uuid_of(fact.number),
        "user_id": fact.customer.number,
        "plan": _PLAN,
        "address": address(fact.customer),
        "transporter": _TRANSPORTER,
        "declinaison": PROFILE,
        "created_at": created,
        "end_date": None,
        "engaged_date": None,
        "auto_pause_at": None,
        "start_date": created,
        "active": is_active,
        "paused": fact.status == "paused",
        "next_billing": None,
        "is_auto": False,
        "revenue": None,
        "refunded": None,
        "customerRevenue": None,
        "customerRefund": None,
        "totalTransactionsSuccess": 1,
        "subTransactionsSuccess": 1,
        "has_active_subscription": is_active,
    }
