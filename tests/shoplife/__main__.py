"""``python -m tests.shoplife --count 20000 [--seed N]``: lives of orders against the truth."""

import argparse
import sys
import time
from collections import Counter

from tests.shoplife import compare, draw


def main() -> int:
    """Compare lives; 1 where one differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.shoplife")
    parser.add_argument("--count", type=int, default=20_000, help="how many histories")
    parser.add_argument("--seed", type=int, default=None, help="of the first (default: by time)")
    parser.add_argument(
        "--all", action="store_true", help="count kinds of differences, do not stop"
    )
    options = parser.parse_args()
    first = int(time.time()) % 10_000_000 if options.seed is None else options.seed
    kinds: Counter[str] = Counter()
    for number, seed in enumerate(range(first, first + options.count), start=1):
        life = draw.life(seed)
        found = compare.differences(life)
        if number % 500 == 0 or number == options.count:
            sys.stderr.write(
                f"\r{number} of {options.count} from seed {first}, {sum(kinds.values())} differ"
            )
        if not found:
            continue
        kind = f"{life.source} {life.format} {'+'.join(found)}"
        if not kinds[kind]:
            sys.stdout.write("\n" + compare.report(life, found) + "\n")
        kinds[kind] += 1
        if not options.all:
            return 1
    sys.stderr.write("\n")
    for kind, count in kinds.most_common():
        sys.stdout.write(f"{count:>6} {kind}\n")
    return int(bool(kinds))


if __name__ == "__main__":
    sys.exit(main())
