"""How many letters each choice of a filter has, the other filters being as they are."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from hookline.dashboard.letters.query import ANY_PATH, LetterQuery
from hookline.dead_letters.letters import DeadLetter, LetterFilter, path_pattern
from hookline.dead_letters.listing import Marked

MOST = 500
"""Choices of one filter; the smallest are left out."""

Choices = list[tuple[str, int]]
"""Values, each with its count of letters; 0 where the other filters exclude all of them."""


@dataclass(slots=True)
class Facets:
    """Counts the values of shop, reason and path."""

    given: LetterQuery
    shops: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)

    async def chosen(self, found: AsyncIterator[Marked]) -> AsyncIterator[Marked]:
        """Count all letters, and yield those that the filters choose."""
        wanted = self.given.letters()
        others = (
            replace(self.given, shop="").letters(),
            replace(self.given, reason="").letters(),
            replace(self.given, path=ANY_PATH).letters(),
        )
        async for letter, mark in found:
            self._count(letter, others)
            if wanted.matches(letter):
                yield letter, mark

    def choices(self) -> dict[str, Choices]:
        """Return the values of each filter in order of their names, the chosen one among them."""
        return {
            "shops": _listed(self.shops, self.given.shop),
            "reasons": _listed(self.reasons, self.given.reason),
            "paths": _listed(self.paths, None if self.given.path == ANY_PATH else self.given.path),
        }

    def _count(self, letter: DeadLetter, others: tuple[LetterFilter, ...]) -> None:
        values = (letter.shop, letter.reason, path_pattern(letter.path))
        counts = (self.shops, self.reasons, self.paths)
        for value, counter, other in zip(values, counts, others, strict=True):
            counter[value] += other.matches(letter)


def _listed(counts: Counter[str], chosen: str | None) -> Choices:
    kept = dict(counts.most_common(MOST))
    if chosen:
        kept.setdefault(chosen, counts[chosen])
    return sorted(kept.items())
