"""Transfers beside an attacker who sends as many with signatures that do not hold."""

from hansa import _native
from hansa.bench.workloads.shape import Read
from hansa.bench.workloads.transfer import Transfer

_R_BYTES = 32
_BEHIND_R = 1 + 32  # the length byte of s, then s
_OF_32_BYTES = 0xA0  # RLP's prefix


class Poisoned(Transfer):
    """Nodes check a batch's signatures together; what does not hold must not hold up what does."""

    about = "transfers; beside them as many with forged signatures, every one of which a node must refuse"
    reads_per_write = 1

    def reads(self, count: int, chain_id: int) -> list[Read]:
        """Forged transfers: whole in form, signed by nobody."""
        recipients = self.accounts.draw(self.random, count)
        raws = _native.sign_many(list(self.accounts.secrets[:1]), [0], [0] * count, recipients, [b""] * count, chain_id)
        # Where r or s begins with a zero, it is shorter; those few are left out.
        whole = [raw for raw in raws if raw[-_R_BYTES - _BEHIND_R - 1] == raw[-_BEHIND_R] == _OF_32_BYTES]
        return [Read("eth_sendRawTransaction", ["0x" + self._forge(raw).hex()]) for raw in whole]

    def _forge(self, raw: bytes) -> bytes:
        """The same with another r, and the highest bit set, so that it keeps its length."""
        forged = bytes([0x80 | self.random.randrange(0x7F)]) + self.random.randbytes(_R_BYTES - 1)
        return raw[: -_R_BYTES - _BEHIND_R] + forged + raw[-_BEHIND_R:]
