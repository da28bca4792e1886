"""The page of everything that is bounded: which constant bounds it, its value, and what happens there.

A constant named …_MAX in COVERED that has no row is an error, so that a new queue comes with a line for operators.
"""

import ast
import importlib
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COVERED = (
    "src/hansa/api",
    "src/hansa/network",
    "src/hansa/io/transport.py",
    "src/hansa/io/link.py",
    "src/hansa/node/inbox.py",
    "src/hansa/node/gossip.py",
    "src/hansa/node/sealed_feed.py",
    "src/hansa/node/signing",
    "src/hansa/consensus/messages.py",
    "native/rpc/src",
    "native/codec/src",
)


class Limit(NamedTuple):
    """One row; `place` is path:constant, or path:field of a default."""

    what: str
    place: str
    beyond: str


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: tuple[Limit, ...]


API, NET, RPC, CODEC = "src/hansa/api/options.py", "src/hansa/network", "native/rpc/src", "native/codec/src"
SIGNER = "src/hansa/node/signing"

SECTIONS = (
    Section(
        "JSON-RPC: connections and bodies",
        (
            Limit("connections, HTTP and WebSocket together", f"{API}:CONNECTIONS_MAX", "hung up on"),
            Limit("of them from one address", f"{API}:CONNECTIONS_OF_AN_ADDRESS_MAX", "hung up on"),
            Limit("request line and headers", f"{API}:HEADER_BYTES_MAX", "400, and the connection ends"),
            Limit("time for them", "src/hansa/api/server.py:_HEADER_SECONDS_MAX", "the connection ends"),
            Limit("body, WebSocket message", f"{API}:BODY_BYTES_MAX", "413; the WebSocket connection ends"),
            Limit("the same in the core", f"{RPC}/request.rs:BODY_BYTES_MAX", "an error"),
            Limit("time for a body", f"{API}:BODY_SECONDS_MAX", "408"),
            Limit("large bodies of all clients until they are answered", f"{API}:BODIES_BYTES_MAX", "503, or RPC-11"),
            Limit(
                "rest of a connection whose client takes nothing",
                "src/hansa/api/server.py:_LINGER_SECONDS_MAX",
                "cut off",
            ),
            Limit("requests in a batch", f"{RPC}/request.rs:BATCH_ITEMS_MAX", "an error for the batch"),
            Limit("parameters of a request", f"{RPC}/request.rs:PARAMS_MAX", "an error"),
            Limit("name of a method", f"{RPC}/request.rs:METHOD_BYTES_MAX", "no such method"),
            Limit("answer to one body", f"{RPC}/answer.rs:ANSWER_BYTES_MAX", "an error in place of what is beyond"),
            Limit("work on one body", f"{RPC}/rpc.rs:BODY_TIME_MAX", "an error for each further request in it"),
        ),
    ),
    Section(
        "JSON-RPC: work that waits",
        (
            Limit("heavy reads under way", f"{API}:READS_WAITING_MAX", "RPC-11"),
            Limit("body that is answered on the event loop", "src/hansa/api/dispatch.py:_INLINE_BYTES_MAX", "a worker"),
            Limit("bodies with transactions that wait", f"{API}:SENDS_WAITING_BYTES_MAX", "RPC-11"),
            Limit("of them in one batch", "src/hansa/api/sending.py:_BODIES_PER_BATCH_MAX", "the next batch"),
            Limit("bytes of one batch", "src/hansa/api/sending.py:_BYTES_PER_BATCH_MAX", "the next batch"),
            Limit("time that one waits for room in the pool", "src/hansa/api/sending.py:_ROOM_WAIT_S", "RPC-11"),
            Limit("questions for receipts that are held back", "src/hansa/api/sending.py:HELD_MAX", "answered at once"),
            Limit("body of such a question", "src/hansa/api/sending.py:_BODY_BYTES_MAX", "answered at once"),
            Limit("receipts awaited by eth_sendRawTransactionSync", f"{API}:AWAITED_MAX", "RPC-11"),
            Limit("time that it waits", f"{API}:SEND_SYNC_MS_MAX", "error 4"),
            Limit("filters", f"{API}:FILTERS_MAX", "RPC-5"),
            Limit("time for which one is idle", f"{API}:FILTER_IDLE_SECONDS_MAX", "forgotten"),
            Limit("filter or subscription for logs", f"{API}:CRITERIA_BYTES_MAX", "RPC-5"),
            Limit("blocks of one look at a filter", f"{API}:CHANGES_BLOCKS_MAX", "the next look goes on there"),
        ),
    ),
    Section(
        "WebSocket clients",
        (
            Limit(
                "requests of one client under way", f"{API}:REQUESTS_IN_FLIGHT_MAX", "not read until one is answered"
            ),
            Limit("subscriptions of one client", f"{API}:SUBSCRIPTIONS_MAX", "RPC-5"),
            Limit("subscriptions of all", f"{API}:SUBSCRIPTIONS_TOTAL_MAX", "RPC-5"),
            Limit("messages that a client has not taken", f"{API}:QUEUE_MESSAGES_MAX", "dropped"),
            Limit("bytes of them", f"{API}:QUEUE_BYTES_MAX", "dropped"),
            Limit("bytes of all clients", f"{API}:QUEUES_BYTES_MAX", "whoever gets the next message is dropped"),
            Limit(
                "blocks that subscriptions catch up with",
                "src/hansa/api/subscriptions.py:_CATCH_UP_BLOCKS_MAX",
                "the newest alone",
            ),
            Limit(
                "heights that a follower has not read", "src/hansa/node/sealed_feed.py:FEED_HEIGHTS_MAX", "loses them"
            ),
        ),
    ),
    Section(
        "What one call may ask",
        (
            Limit("gas of eth_call and estimates", f"{RPC}/rpc.rs:call_gas_max", "out of gas"),
            Limit("slots that a call's overrides name", f"{RPC}/call.rs:OVERRIDDEN_SLOTS_MAX", "an error"),
            Limit("blocks of eth_getLogs", f"{RPC}/rpc.rs:logs_blocks_max", "an error that names the range to ask"),
            Limit("logs of one answer", f"{RPC}/rpc.rs:logs_results_max", "an error that names the range to ask"),
            Limit("addresses, or alternatives of a topic", f"{RPC}/logs.rs:FILTER_ALTERNATIVES_MAX", "an error"),
            Limit("blocks of eth_feeHistory", f"{RPC}/fees.rs:FEE_HISTORY_BLOCKS_MAX", "shortened"),
            Limit("percentiles of it", f"{RPC}/fees.rs:PERCENTILES_MAX", "an error"),
            Limit("transactions of txpool_content", f"{RPC}/pool.rs:CONTENT_MAX", "the rest is left out"),
            Limit("slots of eth_getProof and eth_getStorageValues", f"{RPC}/accounts.rs:SLOTS_MAX", "an error"),
        ),
    ),
    Section(
        "Links between nodes",
        (
            Limit("TLS handshakes under way", "src/hansa/network/budgets.py:HANDSHAKES_AT_ONCE_MAX", "hung up on"),
            Limit(
                "of addresses that no member has", "src/hansa/network/budgets.py:STRANGERS_AT_ONCE_MAX", "hung up on"
            ),
            Limit("of one such address", "src/hansa/network/budgets.py:STRANGER_AT_ONCE_MAX", "hung up on"),
            Limit("connections of one address", "src/hansa/io/transport.py:HANDSHAKES_PER_SECOND", "hung up on"),
            Limit("addresses whose rate is remembered", f"{NET}/budgets.py:ADDRESSES_MAX", "the oldest is forgotten"),
            Limit("time for the TLS handshake", "src/hansa/io/link.py:TLS_TIMEOUT_S", "NET-4"),
            Limit("time for the hello", f"{NET}/session.py:HANDSHAKE_TIMEOUT_US", "NET-4"),
            Limit("links of one member", "src/hansa/io/transport.py:LINKS_OF_A_PEER_MAX", "NET-3"),
            Limit("first frame", f"{NET}/frames.py:HELLO_BYTES_MAX", "NET-1"),
            Limit("frame", f"{NET}/frames.py:PAYLOAD_BYTES_MAX", "NET-1, from its header alone"),
            Limit("pings in a row without an answer", f"{NET}/session.py:PINGS_UNANSWERED_MAX", "NET-5"),
            Limit("bytes written that TCP has not taken", "src/hansa/io/link.py:WRITE_BUFFER_HIGH", "wait in the lane"),
            Limit(
                "first ban of a member that forged a signature",
                f"{NET}/budgets.py:BAN_MIN_US",
                "twice as long each time",
            ),
            Limit("longest ban", f"{NET}/budgets.py:BAN_MAX_US", ""),
            Limit("longest wait before dialling again", f"{NET}/budgets.py:RECONNECT_DELAY_MAX_US", ""),
        ),
    ),
    Section(
        "A validator's signer",
        (
            Limit("TLS handshakes under way", f"{SIGNER}/process.py:HANDSHAKES_MAX", "hung up on"),
            Limit("of addresses where none of its nodes was seen", f"{SIGNER}/process.py:STRANGERS_MAX", "hung up on"),
            Limit("of one such address", f"{SIGNER}/process.py:STRANGER_MAX", "hung up on"),
            Limit("connections of one address", f"{SIGNER}/process.py:HANDSHAKES_PER_SECOND", "hung up on"),
            Limit("addresses of its nodes", f"{SIGNER}/process.py:KNOWN_HOSTS_MAX", "the oldest is forgotten"),
            Limit("time for the TLS handshake", "src/hansa/io/link.py:TLS_TIMEOUT_S", "hung up on"),
            Limit("connections after it", f"{SIGNER}/process.py:CONNECTIONS_MAX", "hung up on"),
            Limit("time for which one says nothing", f"{SIGNER}/process.py:SILENCE_S", "hung up on"),
            Limit("request", f"{SIGNER}/wire.py:REQUEST_BYTES_MAX", "hung up on"),
            Limit("votes in one", f"{SIGNER}/wire.py:VOTES_AT_ONCE_MAX", "hung up on"),
            Limit("name of a node in one", f"{SIGNER}/wire.py:LABEL_MAX", "hung up on"),
            Limit("answer", f"{SIGNER}/wire.py:ANSWER_BYTES_MAX", "SIGNER-1"),
        ),
    ),
    Section(
        "What members send",
        (
            Limit("message", "src/hansa/consensus/messages.py:MESSAGE_BYTES_MAX", "CONSENSUS-1"),
            Limit("votes in one", "src/hansa/consensus/messages.py:VOTES_MAX", "CONSENSUS-1"),
            Limit("references of a proposal", "src/hansa/consensus/messages.py:REFS_BYTES_MAX", "CONSENSUS-1"),
            Limit("blocks of one answer", "src/hansa/consensus/messages.py:RANGE_BLOCKS_MAX", "CONSENSUS-1"),
            Limit("fetched transactions", "src/hansa/consensus/messages.py:BUNDLE_BYTES_MAX", "CONSENSUS-1"),
            Limit("states that a member offers", "src/hansa/consensus/messages.py:OFFERED_HEIGHTS_MAX", "CONSENSUS-1"),
            Limit("question about a state", "src/hansa/consensus/messages.py:ASK_BYTES_MAX", "CONSENSUS-1"),
            Limit(
                "view that a validator in quarantine is told",
                "src/hansa/consensus/messages.py:REPORTED_VIEW_MAX",
                "CONSENSUS-1",
            ),
            Limit("messages of one member that wait", "src/hansa/node/inbox.py:WAITING_BYTES_MAX", "it is not read"),
            Limit("bundles of one member that wait", "src/hansa/node/gossip.py:ADMISSION_BYTES_MAX", "it is not read"),
            Limit("signatures checked at once", "src/hansa/node/inbox.py:CHECKED_AT_ONCE_MAX", "a worker checks them"),
            Limit(
                "signatures checked in a turn", "src/hansa/node/inbox.py:CHECKED_PER_TURN_MAX", "a worker checks them"
            ),
            Limit(
                "messages of one member of the next epoch before its keys are known",
                "src/hansa/node/inbox.py:EARLY_OF_PEER_MAX",
                "its oldest go",
            ),
            Limit("their bytes", "src/hansa/node/inbox.py:EARLY_OF_PEER_BYTES_MAX", "its oldest go"),
            Limit("votes known to be verified", "src/hansa/node/inbox.py:VERIFIED_MAX", "the oldest is checked again"),
            Limit(
                "requests of one member under way", "src/hansa/node/ledger_work.py:SERVED_AT_ONCE_MAX", "not answered"
            ),
            Limit(
                "pool offered to a member that came", "src/hansa/node/gossip.py:OFFER_BYTES_MAX", "the rest is fetched"
            ),
            Limit("heights for which votes are kept", "src/hansa/consensus/config.py:HEIGHTS_AHEAD_MAX", "ignored"),
            Limit(
                "views for which proposals are kept", "src/hansa/consensus/pbft/voting.py:EARLY_VIEWS_MAX", "ignored"
            ),
            Limit("blocks asked for", "src/hansa/consensus/config.py:FETCHES_MAX", "asked for later"),
            Limit("proofs of lies", "src/hansa/io/evidence_folder.py:EVIDENCE_FILES_MAX", "in the log alone"),
        ),
    ),
    Section(
        "Transactions, blocks, and what the core keeps",
        (
            Limit("bytes of a transaction", f"{CODEC}/limits.rs:raw_bytes_max", "refused"),
            Limit("transactions in a block", f"{CODEC}/order.rs:BLOCK_TRANSACTIONS_MAX", "refused"),
            Limit("gas of a block", "native/chain/src/genesis.rs:GAS_LIMIT_MAX", "no such genesis"),
            Limit("bytes of a block's transactions", "native/chain/src/ordering.rs:BODY_BYTES_MAX", "BODY-BYTES"),
            Limit("order block", f"{CODEC}/order.rs:ORDER_BYTES_MAX", "refused"),
            Limit("bundle", f"{CODEC}/bundle.rs:BUNDLE_BYTES_MAX", "refused"),
            Limit("certificate", f"{CODEC}/certificate.rs:CERTIFICATE_BYTES_MAX", "refused"),
            Limit("signers of one", f"{CODEC}/certificate.rs:CERTIFICATE_SIGNERS_MAX", "refused"),
            Limit("facts of a block", f"{CODEC}/facts.rs:FACTS_BYTES_MAX", "refused"),
            Limit("leaders that they list as skipped", f"{CODEC}/facts.rs:SKIP_LIST_MAX", "refused"),
            Limit("RLP", f"{CODEC}/rlp.rs:RLP_BYTES_MAX", "refused"),
            Limit("lists in lists of it", f"{CODEC}/rlp.rs:RLP_DEPTH_MAX", "refused"),
            Limit("transactions in the pool", "native/pool/src/rules.rs:transactions_max", "refused"),
            Limit("bytes of them", "native/pool/src/rules.rs:bytes_max", "refused"),
            Limit("of one sender", "native/pool/src/rules.rs:per_sender_max", "refused"),
            Limit("of one sender, of type 0x48", "native/pool/src/rules.rs:own_per_sender_max", "refused"),
            Limit("behind a gap, of one sender", "native/pool/src/rules.rs:waiting_per_sender_max", "refused"),
            Limit("behind a gap, of all", "native/pool/src/rules.rs:waiting_max", "refused"),
            Limit(
                "transactions that wait before senders are slowed",
                "src/hansa/api/sending.py:POOL_CROWDED",
                "senders wait",
            ),
            Limit("unsealed bodies", "native/chain/src/candidates.rs:CANDIDATES_MAX", "BODY-LIMIT"),
            Limit("fetched transactions kept", "native/chain/src/payloads.rs:PAYLOAD_BYTES_MAX", "the oldest goes"),
            Limit("newest blocks kept decoded", "native/chain/src/sealed.rs:RECENT_BYTES_MAX", "the oldest goes"),
            Limit(
                "epochs proven to newcomers",
                "native/chain/src/epochs.rs:EPOCHS_MAX",
                "no block is dropped, no state taken over",
            ),
            Limit(
                "states held for members far behind, one for each member at most",
                "native/chain/src/snapshot/serve.rs:PINS_MAX",
                "no answer",
            ),
            Limit(
                "blocks whose transactions are forgotten at once before they are dropped",
                "native/chain/src/prune.rs:BLOCKS_FORGOTTEN_MAX",
                "the rest follows",
            ),
            Limit("states kept for reads", "native/chain/src/history.rs:STATES_KEPT", "the oldest goes"),
            Limit("contracts kept analysed", "native/evm/src/codes.rs:CODES_MAX", "the least used goes"),
        ),
    ),
)
NOTE_BELOW = """\

What has no number of its own: TLS handshakes of JSON-RPC, only where it listens with TLS, end after a minute and are
bounded by the process's descriptors; one eth_call is bounded by its gas, not by time, and takes one of the two workers
for heavy reads meanwhile.
"""


def limits_page(note: str) -> str:
    """The page.

    Raises
    ------
    SystemExit: a row without its constant, a constant in COVERED without a row.
    """
    lines = ["# Limits\n", note, "Everything that grows with what others send has a bound. At the bound:\n"]
    shown = set()
    for section in SECTIONS:
        lines += [f"## {section.title}\n", "| what | bound | beyond it | constant |", "|---|---|---|---|"]
        for limit in section.rows:
            path, name = limit.place.split(":")
            shown.add((path, name))
            where = f"`{path}`, `{name}`" if name.islower() else f"`{limit.place}`"
            lines.append(f"| {limit.what} | {show(name, value_of(path, name))} | {limit.beyond} | {where} |")
        lines.append("")
    lines += lanes_section()
    missing = sorted(f"{path}:{name}" for path, name in bounds_in_covered() - shown)
    if missing:
        raise SystemExit(f"tools/limits.py lacks rows for: {', '.join(missing)}")
    return "\n".join(lines) + NOTE_BELOW


def lanes_section() -> list[str]:
    """What waits for each member, by lane, from the policies themselves."""
    from hansa.network.lanes import LANE_POLICIES

    lines = ["## What waits for one member that takes nothing\n", "| lane | bound | beyond it |", "|---|---|---|"]
    for lane, policy in LANE_POLICIES.items():
        size = show("BYTES", policy.queue_bytes_max)
        lines.append(f"| {lane.name.lower()} | {size} | {policy.overflow.value} |")
    return [*lines, ""]


def bounds_in_covered() -> set[tuple[str, str]]:
    """(path, constant) of every …_MAX in the rooms that must be whole."""
    found = set()
    for place in COVERED:
        base = ROOT / place
        for path in [base] if base.is_file() else sorted(base.rglob("*.[pr][ys]")):
            pattern = r"^(\w*_MAX)\b.*= " if path.suffix == ".py" else r"^(?:pub )?const (\w*_MAX): "
            text = path.read_text().split("#[cfg(test)]")[0]
            found |= {(path.relative_to(ROOT).as_posix(), name) for name in re.findall(pattern, text, re.MULTILINE)}
    return found


def value_of(path: str, name: str) -> float:
    """The number behind a constant of Python or Rust, or behind a field of a Rust default."""
    text = (ROOT / path).read_text()
    if path.endswith(".py"):
        module = importlib.import_module(path.removeprefix("src/").removesuffix(".py").replace("/", "."))
        return float(getattr(module, name))
    found = re.search(rf"\bconst {name}: [^=]*= ([^;]+);", text) or re.search(rf"^\s+{name}: (\d[^,]*),", text, re.M)
    if found is None:
        raise SystemExit(f"tools/limits.py: no {name} in {path}")
    expression = re.sub(r"Duration::from_secs\((\d+)\)", r"\1", found[1]).replace("_", "")
    return float(evaluate(ast.parse(expression, mode="eval").body))


def evaluate(node: ast.expr) -> int:
    """Numbers, products, sums, differences and shifts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = evaluate(node.left), evaluate(node.right)
        match node.op:
            case ast.Mult():
                return left * right
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.LShift():
                return left << right
    raise SystemExit(f"tools/limits.py cannot read {ast.unparse(node)}")


def show(name: str, value: float) -> str:
    """A number with the unit that its name tells."""
    upper = name.upper()
    if "BYTES" in upper or name in ("WRITE_BUFFER_HIGH", "RECENT_BYTES_MAX"):
        for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value >= size and value % size == 0:
                return f"{value / size:,.0f} {unit}"
        return f"{value:,.0f} bytes"
    if upper.endswith("PER_SECOND"):
        return f"{value:,.0f} a second"
    for ending, factor in (
        ("_US", 1e-6),
        ("_MS", 1e-3),
        ("_MS_MAX", 1e-3),
        ("_S", 1),
        ("SECONDS_MAX", 1),
        ("TIME_MAX", 1),
    ):
        if upper.endswith(ending):
            return f"{value * factor:g} s"
    return f"{value:,.0f}"
