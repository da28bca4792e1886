"""The native core. Hashes, keys and addresses are raw bytes; every failure is a ``NativeError``."""

from collections.abc import Callable
from typing import Self, final

__all__ = [
    "Chain",
    "NativeError",
    "Rpc",
    "Snapshot",
    "abi_decode_log",
    "abi_decode_output",
    "abi_encode_arguments",
    "abi_encode_call",
    "abi_event_topic",
    "address_of",
    "bundle_decode",
    "bundle_encode",
    "certificate_decode",
    "certificate_encode",
    "configure_workers",
    "crc32c",
    "decode_transaction",
    "generate_secret",
    "epoch_keys",
    "genesis_hash",
    "genesis_order_hash",
    "keccak256",
    "order_decode",
    "order_encode",
    "order_hash",
    "public_key",
    "recover",
    "repair_folder",
    "rlp_encode",
    "run_state_test",
    "sign",
    "sign_many",
    "sign_recoverable",
    "sign_transaction",
    "verify",
    "verify_ledger",
]

_RlpItem = bytes | int | list["_RlpItem"] | tuple["_RlpItem", ...]

class NativeError(Exception):
    """A typed failure; ``args`` is ``(code, message, hint)``."""

    args: tuple[str, str, str]

def keccak256(data: bytes) -> bytes: ...
def crc32c(data: bytes) -> int: ...
def rlp_encode(item: _RlpItem) -> bytes: ...
def generate_secret() -> bytes: ...
def public_key(secret: bytes) -> bytes: ...
def address_of(public: bytes) -> bytes: ...
def sign(secret: bytes, digest: bytes) -> bytes: ...
def sign_recoverable(secret: bytes, digest: bytes) -> bytes: ...
def verify(public: bytes, digest: bytes, signature: bytes) -> bool: ...
def recover(digest: bytes, signature: bytes) -> bytes: ...
def configure_workers(threads: int, nodes_on_host: int = 1) -> int:
    """Set the threads for batches, once per process and before the first one; 0 = this node's share of the cores.
    The number in force."""

_OrderFields = tuple[int, int, int, bytes, int, int, bytes, int, int, int, bytes, int, int]
"""Epoch, view, height, parent order hash, base height, sealed height, sealed hash, time in milliseconds, proposer,
payload kind, payload hash, transaction count, gas."""

def order_encode(fields: _OrderFields) -> bytes: ...
def order_decode(data: bytes) -> _OrderFields: ...
def order_hash(data: bytes) -> bytes: ...
def genesis_order_hash(genesis_hash: bytes) -> bytes: ...
def certificate_encode(epoch: int, height: int, sealed_hash: bytes, signatures: list[tuple[int, bytes]]) -> bytes: ...
def certificate_decode(data: bytes) -> tuple[int, int, bytes, list[tuple[int, bytes]]]: ...
def bundle_encode(raws: list[bytes]) -> bytes: ...
def bundle_decode(bundle: bytes) -> list[bytes]: ...
def sign_transaction(secret: bytes, fields: dict[str, object]) -> bytes:
    """Sign a transaction: ``chain_id nonce gas`` and optionally ``type to value data gas_price max_fee_per_gas
    max_priority_fee_per_gas access_list``; type 2 when ``max_fee_per_gas`` is given, else 0. Type 0x48, our own, also
    needs ``to block_limit expires_at``."""

def decode_transaction(raw: bytes) -> dict[str, object]:
    """Fields of a signed transaction: ``hash type chain_id sender nonce gas to value data max_fee_per_gas
    max_priority_fee_per_gas signature``, of type 0x48 also ``block_limit expires_at``."""

def sign_many(
    secrets: list[bytes],
    nonces: list[int],
    senders: list[int],
    recipients: list[bytes],
    inputs: list[bytes],
    chain_id: int,
    value: int = 1,
    gas: int = 21_000,
    gas_price: int = 0,
) -> list[bytes]:
    """Sign legacy transactions in parallel: the i-th by ``secrets[senders[i]]`` with that sender's next nonce, counted
    from ``nonces``."""

# Contract calls from words; results are JSON text, numbers in it decimal strings.
def abi_encode_call(signature: str, arguments: list[str]) -> bytes: ...
def abi_encode_arguments(types: str, arguments: list[str]) -> bytes: ...
def abi_decode_output(signature: str, data: bytes) -> str: ...
def abi_decode_log(signature: str, topics: list[bytes], data: bytes) -> str: ...
def abi_event_topic(signature: str) -> bytes: ...

_EpochNode = tuple[str, str, bytes, bytes, bytes | None, bytes, str, int, bool]
"""Name, organisation, consensus key (33 bytes), account, SHA-256 of the TLS certificate, the organisation's CA
certificate (DER), host:port, weight, whether the others keep links to it."""
_EpochTuple = tuple[int, int, list[_EpochNode], int, int, int]
"""Number, first height, nodes by index, view timeout and block interval in milliseconds, protocol version."""

@final
class Snapshot:
    """What a node far behind takes over from the others, below its data folder. Kept over restarts."""

    @staticmethod
    def open(directory: str, genesis: bytes) -> Snapshot: ...
    @property
    def height(self) -> int:
        """Of the snapshot on its way; 0 = none."""

    def missing(self) -> list[bytes]:
        """What is still to be asked for."""

    def check_head(self, member: int, ask: bytes, head: bytes) -> tuple[int, bytes, list[bytes]]:
        """Height and face (32 bytes) of a sealed head that a peer was asked for; equal faces promise equal snapshots.

        Without a face it shows the beginning of the epochs before it only: what to ask that peer for instead.
        """

    def begin(self, member: int, head: bytes) -> list[bytes]:
        """Begin with this head of a peer; what is missing."""

    def add(self, ask: bytes, answer: bytes) -> list[bytes]:
        """Take an answer that holds; what is missing because of it. ``SNAPSHOT-…``, ``BLOCK-…``: the peer lies."""

    def finish(self) -> None:
        """Put the data folder together; ``Chain.open`` moves it into its place."""

@final
class Chain:
    """State, block log, pool and executor of one node. Every method may be called from any thread."""

    @staticmethod
    def create(directory: str | None, genesis: bytes) -> Chain:
        """A new chain in a folder, or in memory alone (development)."""

    @staticmethod
    def open(directory: str, genesis: bytes) -> Chain:
        """Recover from checkpoint and log; nothing is executed again."""

    @property
    def genesis_hash(self) -> bytes: ...
    @property
    def chain_id(self) -> int: ...
    def head(self) -> tuple[int, bytes, bytes]:
        """Sealed height, sealed hash, order hash."""

    def head_time_ms(self) -> int: ...
    def sealed_hash(self, height: int) -> bytes | None: ...
    def certificate(self, height: int) -> bytes | None: ...
    def submit(self, raws: list[bytes]) -> list[tuple[bytes | None, str | None]]:
        """Admit transactions sent to this node: (hash, error code), one of them None."""

    def take_outgoing(self, max_bytes: int) -> bytes | None: ...
    def add_bundle(self, origin: int, bundle: bytes) -> tuple[int, int]:
        """Admitted and refused; what ``missing`` asked for is kept even if the pool refuses it."""

    def pool_status(self) -> tuple[int, int]:
        """Executable, waiting."""

    def expire(self, now_ms: int) -> int: ...
    def pending_hashes_since(self, cursor: int) -> tuple[int, bytes]:
        """The next cursor and hashes (32 bytes each) that became executable; -1 begins now."""

    def status_of(self, tx_hash: bytes) -> tuple[str, str | None]:
        """unknown, pending, ordered, final, refused or dropped; the reason of the last two."""

    def propose(self, ancestors: list[bytes], gas_limit: int, max_count: int, max_bytes: int) -> tuple[bytes, int, int]:
        """Payload references, transaction count, gas."""

    def has_executable(self, ancestors: list[bytes]) -> bool: ...
    def missing(self, refs: bytes) -> bytes: ...
    def payload(self, hashes: bytes) -> bytes: ...
    def add_body(self, order: bytes, refs: bytes) -> bytes:
        """Check and append a body; its order hash. ``BODY-…`` codes: the proposer is at fault."""

    def has_body(self, order_hash: bytes) -> bool: ...
    def order_block(self, order_hash: bytes) -> tuple[bytes, bytes] | None:
        """Order block and payload references, sealed or not; None for genesis and unknown ones."""

    def unsealed_bodies(self) -> list[tuple[bytes, bytes]]:
        """(order hash, order block) above the head, lowest first; each descends from the head."""

    def sync(self) -> None:
        """Make durable what was appended. ``LOG-FULL`` may be retried; ``LOG-FATAL`` must end the process."""

    def close(self) -> None:
        """Sync, checkpoint where it pays, leave the marks of a clean stop."""

    def execute(self, order_hash: bytes) -> tuple[int, bytes, int, int]:
        """Height, sealed hash, gas used, transactions included."""

    def seal(self, height: int, certificate: bytes) -> None: ...
    def verify_certificate(self, certificate: bytes) -> bool: ...
    def seal_digest(self, height: int, sealed_hash: bytes) -> bytes: ...
    def export_blocks(self, first: int, max_count: int, max_bytes: int) -> list[bytes]: ...
    def import_block(self, block: bytes) -> tuple[int, bytes, bytes]:
        """Height, sealed hash, certificate. ``BLOCK-RESULT``: own execution differs, the node must stop."""

    def order_hash(self, height: int) -> bytes | None: ...
    def epoch_end(self, order_hash: bytes) -> int | None:
        """The last height of the epoch of the sealed head or an executed block, as far as the state after it says."""

    def epoch_facts(self, order_hash: bytes) -> _EpochTuple | None:
        """What is in force above the sealed head or an executed block; None without a membership contract."""

    def set_checkpoint_turn(self, index: int) -> None:
        """This node's index: nodes that share a disk do not write together."""

    def begin_checkpoint(self) -> bool:
        """Write one of the oldest state kept, beside everything else; whether one is being written now."""

    def check_checkpoint(self) -> None:
        """Raise once what went wrong with one; ``LOG-FULL``: no room, tried again later. All else must end the node."""

    def checkpoint_status(self) -> tuple[int, int, bool, int, int, int]:
        """Height and bytes of the newest, whether one is being written, how many this process wrote, how long the last
        took (ms), for how long blocks were held up at most (µs)."""

    def oldest_exported(self) -> int:
        """The oldest block that ``export_blocks`` has."""

    def oldest_block(self) -> int:
        """The oldest block that clients may read, genesis apart; ``BLOCK-PRUNED`` below it."""

    def prune(self, keep: int) -> tuple[int, bool]:
        """Drop blocks older than the newest ``keep``, at least 1,024, where whole segments allow.

        The oldest left, and whether another call would go on at once: one call forgets 512 blocks' transactions.
        """

    def snapshot_offer(self) -> tuple[list[int], int, int]:
        """Heights of states that can be served for long; the first and the last of the newest ones."""

    def snapshot_answer(self, member: int, height: int, ask: bytes) -> bytes | None:
        """The answer to what a ``Snapshot`` of a height asks for; None where there is none.

        Holds that state for the member, and no other one for it any more.
        """

    def oldest_state(self) -> int: ...

    # Development chains in memory only.
    def dev_snapshot(self) -> int: ...
    def dev_revert(self, id: int) -> bool: ...
    def dev_reset(self) -> None: ...
    def dev_set_account(
        self, address: bytes, balance: int | None = None, nonce: int | None = None, code: bytes | None = None
    ) -> None: ...
    def dev_set_storage(self, address: bytes, slot: int, value: int) -> None: ...
    def dev_submit_as(self, sender: bytes, tx_json: bytes) -> bytes:
        """Send what ``eth_sendTransaction`` takes, unsigned; the hash."""

    def dev_submit_raw_as(self, sender: bytes, raw: bytes) -> bytes: ...
    def dev_drop_transaction(self, tx_hash: bytes) -> bool: ...
    def dev_set_next_block(
        self,
        base_fee: int | None = None,
        gas_limit: int | None = None,
        prevrandao: bytes | None = None,
        beneficiary: bytes | None = None,
    ) -> None:
        """What the next mined block takes instead of its usual values."""

    def dev_mine(self, time_ms: int, base_fee: int | None = None, transactions: int = 4_096) -> tuple[int, bytes]:
        """Order, execute and seal one block; height and hash."""

def verify_ledger(
    directory: str, genesis: bytes, progress: Callable[[int], object] | None = None
) -> list[tuple[str, int, str]]:
    """(file, byte offset, what does not hold); empty when all holds. Executes everything again."""

def repair_folder(
    directory: str, genesis: bytes, progress: Callable[[int], object] | None = None
) -> tuple[list[tuple[str, int, str]], list[str], int]:
    """Set aside what does not hold: findings, files moved, height that the folder opens at now."""

def epoch_keys(directory: str, genesis: bytes, epoch: int) -> list[bytes | None] | None:
    """Consensus keys by index in an epoch, as the data folder proves them from genesis on; None if it cannot.

    None in the list: a node without a vote.
    """

def genesis_hash(genesis: bytes) -> bytes: ...

@final
class Rpc:
    """JSON-RPC as the core answers it alone; any thread may call."""

    def __new__(cls, chain: Chain, options: dict[str, object] | None = None) -> Self:
        """Options: ``client_version namespaces coinbase logs_blocks_max logs_results_max call_gas_max``."""

    def handle(self, body: bytes) -> bytes | None:
        """The answer to a request or batch, empty for notifications; None, with nothing done, where Python must
        answer any part of it."""

    def handle_one(self, request: bytes) -> bytes | None: ...
    def handle_many(self, bodies: list[bytes]) -> list[bytes | None]:
        """``handle`` for several bodies; transactions in them reach the pool as one batch."""

    def parts(self, body: bytes) -> list[tuple[bytes, bytes | None]] | bytes:
        """Each request with its answer, None where Python must answer; bytes when the body is no request at all."""

    def result(self, method: str, params: bytes) -> tuple[bool, bytes]:
        """The JSON text of one method's result, or False and that of the error object."""

    @staticmethod
    def methods() -> list[tuple[str, list[str]]]: ...
    def block_hash(self, number: int) -> bytes | None: ...
    def head_event(self, number: int) -> bytes | None: ...
    def log_events(self, number: int, criteria: bytes) -> list[bytes]: ...
    @staticmethod
    def build_transaction(request: bytes, secret: bytes | None = None) -> bytes:
        """The signed transaction of a complete eth_sendTransaction request; marked with its sender without a key."""

    @staticmethod
    def typed_data_digest(document: bytes) -> bytes:
        """The EIP-712 digest of a typed-data document."""

def run_state_test(json: bytes) -> tuple[int, list[tuple[str, int, str]]]:
    """Posts run, and the failed ones as (name, position, what was different)."""
