"""What a badge is handed when it arrives and when it says hello."""

from __future__ import annotations

from typing import Protocol

from badge.link import Mailbox


class Delivery(Protocol):
    """One kind of thing that waits for badges. Deliveries happen in the order of their list, after the welcome."""

    def arrived(self, device: str, mailbox: Mailbox) -> None:
        """The device has registered and was welcomed."""

    def greeted(self, device: str, mailbox: Mailbox) -> None:
        """The device has said hello and was answered."""

    def left(self, device: str) -> None:
        """The device has gone, and no other connection of it is here."""
