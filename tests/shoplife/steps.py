"""What may happen to an order: paid, cancelled, reinstated, refunded, deleted, and more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.shoplife import refunding
from tests.shoplife.life import Kind, Life, State

_FULFILMENT = ("fulfilled", "partially_fulfilled", "shipped", "delivered", "failed_delivery")
UNLISTED = {
    "spiffy": ("disputed", "on hold", "chargeback"),
    "shoprocket": ("on_hold", "reviewing", *_FULFILMENT),
    "ciklik": ("archived", "refund_review"),
}
PAID = {"spiffy": ("paid",), "shoprocket": ("paid", "processing", "completed"),
    "ciklik": ("completed",)}  # fmt: skip
WAITING = {
    "spiffy": ("pending", "authorized", "partially_paid"),
    "shoprocket": ("payment_pending", "pending"),
    "ciklik": ("pending", "in_creation", "in_process", "need_action"),
}
_GONE = {"shoprocket": ("failed", "canceled", "cancelled", "voided"),
    "ciklik": ("failed", "canceled")}  # fmt: skip

Next = Callable[[State], State]


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one order; each makes the next state of the present one."""

    chance: Random
    life: Life
    states: Sequence[State]

    def all(self) -> list[Next]:
        """Every step that the platform can report, likelier ones more than once."""
        source, form = self.life.source, self.life.format
        steps: list[Next] = [self.paid, self.paid, self.unlisted, self.gone]
        if source != "ciklik":
            steps.append(self.deleted)
        if source == "spiffy":
            steps += [refunding.spiffy(self.chance, self.life, self.states)] * 4
            steps.append(self.quiet)
        if form == "envelope":
            steps += [refunding.shoprocket(self.chance, self.life, self.states)] * 3
        if form == "older":
            steps.append(refunding.by_status(self.chance))
        return [self._whole(step) for step in steps]

    def _whole(self, step: Next) -> Next:
        """A state after a deletion is whole again."""
        gives = self.life.dates_cancellations
        return lambda state: step(replace(state, is_whole=True, gives_cancelled=gives))

    def paid(self, state: State) -> State:
        """Paid; in the envelope also by the event's name."""
        by_event = self.life.format == "envelope" and self.chance.random() < 0.5
        event = "order.paid" if by_event else state.event
        status = None
        if not by_event or self.chance.random() < 0.7:
            status = self._spelled(self.chance.choice(PAID[self.life.source]))
        return replace(state, status=status, event=event, cancelled_at=None)

    def unlisted(self, state: State) -> State:
        """A status that is on no list."""
        status = self.chance.choice(UNLISTED[self.life.source])
        return replace(state, status=status, cancelled_at=None)

    def gone(self, state: State) -> State:
        """Cancelled, by status, event or time."""
        at = state.at or state.created
        if not self.life.dates_cancellations:
            at = None
        if self.life.format == "envelope" and self.chance.random() < 0.5:
            status = self.chance.choice((None, state.status)) if at else None
            return replace(state, event="order.cancelled", status=status, cancelled_at=at)
        if self.life.source == "spiffy":
            status = self.chance.choice(("voided", state.status))
            event = self.chance.choice(("orders/cancelled", "orders/updated"))
            return replace(state, status=status, event=event, cancelled_at=at)
        texts = _GONE[self.life.source]
        status = self.chance.choice((*texts, state.status) if at else texts)
        return replace(state, status=status, cancelled_at=at)

    def quiet(self, state: State) -> State:
        """An event that gives no refunds, or only the newest one."""
        return replace(state, refunds=self.chance.choice((None, (), (state.refunds or ())[-1:])))

    def deleted(self, state: State) -> State:
        """Deleted; Spiffy gives only the id then, and not always a time."""
        is_spiffy = self.life.source == "spiffy"
        is_dated = self.chance.random() < 0.8 or self.life.format == "envelope"
        return replace(
            state,
            event="orders/delete" if is_spiffy else "order.deleted",
            kind=Kind.DELETED,
            at=state.at if is_dated else None,
            is_whole=not is_spiffy,
            cancelled_at=None,
            gives_cancelled=False,
        )

    def _spelled(self, status: str) -> str:
        if self.chance.random() < 0.85:
            return status
        spellings = (status.upper(), status.replace("_", " "), status.replace("_", "-"))
        return self.chance.choice(spellings)
