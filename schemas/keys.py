"""Keys of entities: source/shop/kind:id."""


def entity_key(source: str, shop: str, kind: str, native_id: str) -> str:
    """Build the key of an entity: ``spiffy/johns/cart:eeafa``."""
    return f"{source}/{shop}/{kind}:{native_id}"


def customer_key(
    source: str, shop: str, customer_id: str | None, email_hash: str | None
) -> str | None:
    """Build the key of a record's customer: by platform id, else as a guest by e-mail hash."""
    if customer_id is not None:
        return entity_key(source, shop, "customer", customer_id)
    if email_hash is not None:
        return entity_key(source, shop, "guest", email_hash)
    return None


def slug(event: str) -> str:
    """Convert an event name for commands, files and metrics: carts/create to carts-create."""
    return event.lower().replace("/", "-").replace(".", "-")


def native_id(key: str) -> str:
    """Return the platform's own id in an entity key."""
    return key.split("/", 2)[2].partition(":")[2]
