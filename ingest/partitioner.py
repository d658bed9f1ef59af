"""The partition of a key, as Kafka's default partitioner computes it.

murmur2 first mixes every block of four bytes by itself, then combines the blocks in order. The
mixing is done for all blocks at once, as 64-bit lanes of one large integer; only the combining
is a loop.
"""

import struct
from functools import lru_cache

_M = 0x5BD1E995
_SEED = 0x9747B28C
_U32 = 0xFFFFFFFF


@lru_cache(maxsize=256)
def _lanes(blocks: int) -> tuple[struct.Struct, struct.Struct, int, int]:
    """Return formats for blocks of 32 and lanes of 64 bits, and masks of 32 and 8 bits a lane."""
    ones = sum(1 << 64 * lane for lane in range(blocks))
    return struct.Struct(f"<{blocks}I"), struct.Struct(f"<{blocks}Q"), ones * _U32, ones * 0xFF


def murmur2(key: bytes) -> int:
    """Return Kafka's murmur2 of a key: 0 to 2**32 - 1."""
    length = len(key)
    blocks = length >> 2
    hashed = _SEED ^ length
    if blocks:
        narrow, wide, low, lowest = _lanes(blocks)
        lanes = int.from_bytes(wide.pack(*narrow.unpack_from(key)), "little") * _M & low
        lanes = (lanes ^ (lanes >> 24 & lowest)) * _M & low
        for mixed in wide.unpack(lanes.to_bytes(blocks << 3, "little")):
            hashed = hashed * _M & _U32 ^ mixed
    if tail := key[blocks << 2 :]:
        hashed = (hashed ^ int.from_bytes(tail, "little")) * _M & _U32
    hashed = (hashed ^ hashed >> 13) * _M & _U32
    return hashed ^ hashed >> 15


@lru_cache(maxsize=4096)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the key's partition among ``partitions``; cached, as carts change many times."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
