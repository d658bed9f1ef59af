"""XML in the style of Rails: dashes for underscores, ``type="array"``, ``nil="true"``."""

from typing import Any

_SINGULAR = {
    "line_items": "line_item",
    "shipping_lines": "shipping_line",
    "fulfillments": "fulfillment",
    "refunds": "refund",
    "refund_line_items": "refund_line_item",
    "order_adjustments": "order_adjustment",
    "transactions": "transaction",
    "discount_codes": "discount_code",
    "discounts": "discount",
}


class Rails:
    """Writes documents; ``dashed``: names have dashes for underscores."""

    def __init__(self, *, dashed: bool) -> None:
        self._dashed = dashed
        self._tags: dict[str, str] = {}

    def encode(self, root: str, body: dict[str, Any]) -> bytes:
        """Return a document whose root element holds the fields of ``body``."""
        parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
        self._write(root, body, parts)
        return "".join(parts).encode()

    def _write(self, key: str, value: Any, parts: list[str]) -> None:
        tag = self._tags.get(key)
        if tag is None:
            tag = self._tags[key] = key.replace("_", "-") if self._dashed else key
        kind = type(value)
        if kind is str:
            parts.append(f"<{tag}>{_escaped(value)}</{tag}>")
        elif kind is int:
            parts.append(f'<{tag} type="integer">{value}</{tag}>')
        elif value is None:
            parts.append(f'<{tag} nil="true"/>')
        elif kind is bool:
            parts.append(f'<{tag} type="boolean">{"true" if value else "false"}</{tag}>')
        elif kind is list:
            parts.append(f'<{tag} type="array">')
            for each in value:
                self._write(_SINGULAR[key], each, parts)
            parts.append(f"</{tag}>")
        else:
            parts.append(f"<{tag}>")
            for name, each in value.items():
                self._write(name, each, parts)
            parts.append(f"</{tag}>")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
