"""What the dev methods ask of `hansa dev`. Every method is called on the event loop."""

from typing import Any, Protocol


class DevControl(Protocol):
    """A single development node that can be told what time it is and who owns what."""

    def accounts(self) -> list[bytes]:
        """Addresses whose keys the node holds or that are impersonated, in order."""

    def secret(self, account: bytes) -> bytes | None:
        """The secret key of an unlocked account, None when the node has none."""

    def impersonate(self, account: bytes) -> None:
        """Accept eth_sendTransaction from an account without its key."""

    def stop_impersonating(self, account: bytes) -> None:
        """Undo `impersonate`."""

    def set_auto_impersonate(self, enabled: bool) -> None:
        """Accept eth_sendTransaction from every account."""

    def is_impersonated(self, account: bytes) -> bool:
        """Whether `impersonate` holds for the account."""

    def submit_as(self, sender: bytes, raw: bytes) -> bytes:
        """Admit a transaction as sent by `sender`, whatever its signature; its hash."""

    def mine(self, count: int = 1, interval_s: int | None = None, timestamp: int | None = None) -> None:
        """Seal blocks now, empty ones too; `timestamp` is the first one's time in seconds."""

    def set_automine(self, enabled: bool) -> None:
        """Seal after every send, or only when told."""

    def is_automine(self) -> bool:
        """Whether every send seals."""

    def set_interval(self, milliseconds: int) -> None:
        """Seal a block every so often; 0 = never."""

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward; returns the total offset in seconds."""

    def set_time(self, timestamp: int) -> int:
        """Set the clock, in seconds since 1970; returns the offset to real time."""

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's time, in seconds.

        Raises
        ------
        InvalidInput: not after the latest block.
        """

    def set_next_base_fee(self, wei: int) -> None:
        """Fix the next block's base fee."""

    def set_balance(self, account: bytes, wei: int) -> None:
        """Change an account in the latest state."""

    def set_nonce(self, account: bytes, nonce: int) -> None:
        """Change an account in the latest state."""

    def set_code(self, account: bytes, code: bytes) -> None:
        """Change an account in the latest state."""

    def set_storage(self, account: bytes, slot: int, value: int) -> None:
        """Change one slot in the latest state."""

    def snapshot(self) -> int:
        """Remember everything; returns an id from 1 up."""

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot, which is used up with all later ones; False when there is none."""

    def reset(self) -> None:
        """Go back to genesis."""

    def drop_transaction(self, transaction: bytes) -> bool:
        """Take a transaction out of the pool; False when it is not there."""

    def facts(self) -> dict[str, Any]:
        """Name, version and settings, for hardhat_metadata and anvil_nodeInfo."""
