"""The tree of unsealed blocks: taking them in, having their bodies checked in order, fetching what is missing."""

from hansa.consensus.config import FETCH_TRY_MS, FETCHES_MAX, HEIGHTS_AHEAD_MAX, TICK_MS
from hansa.consensus.effects import AddPayload, CheckBody, ServePayload, SetTimer
from hansa.consensus.inputs import BodyChecked, TimerId
from hansa.consensus.messages import (
    BlockRequest,
    BlockResponse,
    PayloadRequest,
    PayloadResponse,
)
from hansa.consensus.pbft.rules import is_well_formed
from hansa.consensus.pbft.state import Body, Entry, Fetch, PbftState
from hansa.consensus.pbft.status import get_status
from hansa.consensus.pbft.tally import add_commit_support
from hansa.types.order import OrderBlock

RETRY_PROPOSAL_MS = 20


def add_block(state: PbftState, block: OrderBlock, refs: bytes, order_hash: bytes) -> Entry:
    """Take a well-formed block into the tree and go on with whatever waited for it."""
    entry = Entry(order_hash, block, refs, state.now_ms)
    state.entries[order_hash] = entry
    state.children.setdefault(block.parent_hash, []).append(order_hash)
    fetch = state.fetches.get(order_hash)
    if fetch is not None and not fetch.is_payload:
        del state.fetches[order_hash]
    _join_commit_support(state, entry)
    check_body(state, entry)
    parent_height = block.height - 1
    if parent_height > state.root.height and block.parent_hash not in state.entries:
        want_block(state, block.parent_hash, parent_height)
    return entry


def is_in_reach(state: PbftState, height: int) -> bool:
    """Whether blocks of a height are kept: above the sealed head, not absurdly far."""
    return state.root.height < height <= state.root.height + HEIGHTS_AHEAD_MAX


def is_linked(state: PbftState, order_hash: bytes) -> bool:
    """Whether a block is the sealed head, or its body and those of its unsealed ancestors are held."""
    if order_hash == state.root.order_hash:
        return True
    entry = state.entries.get(order_hash)
    return entry is not None and entry.linked


def get_block(state: PbftState, order_hash: bytes) -> OrderBlock | None:
    """Return a known unsealed block, or the sealed head's."""
    if order_hash == state.root.order_hash:
        return state.root.block
    entry = state.entries.get(order_hash)
    return None if entry is None else entry.block


def get_ancestors(state: PbftState, order_hash: bytes) -> tuple[bytes, ...]:
    """Return the order hashes from above the sealed head up to a linked block, that block included."""
    chain: list[bytes] = []
    while order_hash != state.root.order_hash:
        chain.append(order_hash)
        order_hash = state.entries[order_hash].block.parent_hash
    chain.reverse()
    return tuple(chain)


def check_body(state: PbftState, entry: Entry) -> None:
    """Ask for the body's check once all ancestors are held; link it, and its descendants, once it is held itself."""
    pending = [entry]
    while pending:
        entry = pending.pop()
        if not is_linked(state, entry.block.parent_hash):
            continue
        if entry.body is Body.UNKNOWN:
            entry.body = Body.CHECKING
            state.emit(CheckBody(entry.hash, entry.block, entry.refs))
        elif entry.body is Body.HELD:
            entry.linked = True
            pending += [state.entries[child] for child in state.children.get(entry.hash, ())]


def check_children_of_root(state: PbftState) -> None:
    """Go on with blocks that waited for the sealed head to arrive at their parent."""
    for child in state.children.get(state.root.order_hash, ()):
        entry = state.entries[child]
        check_again(state, entry)
        check_body(state, entry)


def on_body_checked(state: PbftState, answer: BodyChecked) -> None:
    """The body is in the block log, or transactions are missing, or it is invalid for ever."""
    entry = state.entries.get(answer.order_hash)
    if entry is None or entry.body is not Body.CHECKING:
        return
    if answer.ok:
        entry.body = Body.HELD
        entry.missing = b""
        state.fetches.pop(entry.hash, None)
        check_body(state, entry)
        return
    if state.lead_checking == entry.hash:
        state.lead_checking = None  # the pool moved under our proposal: ask it again, a little later
        state.lead_not_before_ms = state.now_ms + RETRY_PROPOSAL_MS
        state.lead_refusals += 1
    if answer.missing:
        has_shrunk = len(answer.missing) < len(entry.missing)
        entry.body = Body.MISSING
        entry.missing = answer.missing
        _want_payload(state, entry, has_shrunk)
        return
    entry.body = Body.INVALID
    # While ancestors are unsealed, or an import is under way, the answer may rest on where this ledger stands just now;
    # such a body is checked again later. Directly above the sealed head it rests on the block alone.
    is_final = entry.block.parent_hash == state.root.order_hash and not state.importing
    if is_final and state.committed_chain.get(entry.block.height) == entry.hash:
        state.halt(
            "CONSENSUS-13",
            f"a quorum committed block {entry.block.height}, which is invalid here: {answer.reason}",
            "compare this node's version and genesis with the others' before it starts again",
        )


def check_again(state: PbftState, entry: Entry) -> None:
    """Have an invalid body judged once more: the ledger or the pool has moved since."""
    if entry.body is Body.INVALID:
        entry.body = Body.UNKNOWN
        check_body(state, entry)


def want_block(state: PbftState, order_hash: bytes, height: int) -> None:
    """Fetch an unsealed block by its hash, unless it is known, under way or out of reach."""
    if order_hash in state.entries or order_hash in state.fetches or not is_in_reach(state, height):
        return
    _begin_fetch(state, Fetch(order_hash, height, False, _peers_to_ask(state, state.leader)))


def on_block_request(state: PbftState, peer: int, request: BlockRequest) -> None:
    """Serve a block from the tree. What is not there may be sealed: then the peer learns here that sync brings it."""
    entry = state.entries.get(request.order_hash)
    if entry is not None:
        state.send(peer, BlockResponse(entry.block, entry.refs))
    else:
        state.send(peer, get_status(state))


def on_block_response(state: PbftState, response: BlockResponse) -> None:
    """Take a block that was asked for; its hash proves it, its payload hash proves the references."""
    block = response.block
    if not is_in_reach(state, block.height) or not is_well_formed(block, response.refs, state.config):
        return
    order_hash = state.config.order_hash(block)
    if order_hash in state.fetches and order_hash not in state.entries:
        add_block(state, block, response.refs, order_hash)


def on_payload_request(state: PbftState, peer: int, request: PayloadRequest) -> None:
    """Have the shell answer with the transactions that are held here."""
    if request.hashes:
        state.emit(ServePayload(peer, request.order_hash, request.hashes))


def on_payload_response(state: PbftState, peer: int, response: PayloadResponse) -> None:
    """Take transactions that were asked for and check the body again."""
    entry = state.entries.get(response.order_hash)
    if entry is None or entry.body is not Body.MISSING or response.order_hash not in state.fetches:
        return
    entry.body = Body.CHECKING
    state.emit(AddPayload(peer, response.bundle))
    state.emit(CheckBody(entry.hash, entry.block, entry.refs))


def want_missing(state: PbftState) -> None:
    """Ask again for whatever the known blocks, the highest QC and the commit target rest on; judge again."""
    for entry in list(state.entries.values()):
        want_block(state, entry.block.parent_hash, entry.block.height - 1)
        if entry.body is Body.MISSING and entry.hash not in state.fetches:
            _want_payload(state, entry, False)
        check_again(state, entry)
    want_block(state, state.high_qc.hash, state.high_qc.height)
    if state.commit_target is not None:
        want_block(state, state.commit_target[1], state.commit_target[0])


def on_fetch_timer(state: PbftState) -> None:
    """Ask the next peer for everything that is overdue."""
    for fetch in list(state.fetches.values()):
        if fetch.height <= state.root.height:
            del state.fetches[fetch.hash]
        elif fetch.due_ms <= state.now_ms:
            _ask(state, fetch)
    _set_fetch_timer(state)


def drop_blocks_up_to_root(state: PbftState) -> None:
    """Forget every block at or below the sealed head, and every branch that does not grow from it."""
    root = state.root
    dead = [
        entry.hash
        for entry in state.entries.values()
        if entry.block.height <= root.height
        or (entry.block.height == root.height + 1 and entry.block.parent_hash != root.order_hash)
    ]
    while dead:
        order_hash = dead.pop()
        entry = state.entries.pop(order_hash, None)
        if entry is not None:
            siblings = state.children.get(entry.block.parent_hash)
            if siblings is not None:
                siblings.remove(order_hash)
                if not siblings:
                    del state.children[entry.block.parent_hash]
        state.fetches.pop(order_hash, None)
        if order_hash != root.order_hash:
            dead += state.children.get(order_hash, ())


def _join_commit_support(state: PbftState, entry: Entry) -> None:
    """COMMITs that came before this block count for its ancestors, those for its children count for it."""
    block = entry.block
    own = state.commit_masks.pop((block.view, block.height, entry.hash), 0)
    for child in state.children.get(entry.hash, ()):
        child_block = state.entries[child].block
        if child_block.view == block.view:
            own |= state.commit_masks.get((child_block.view, child_block.height, child), 0)
    if own:
        add_commit_support(state, block.view, block.height, entry.hash, own)


def _want_payload(state: PbftState, entry: Entry, has_shrunk: bool) -> None:
    fetch = state.fetches.get(entry.hash)
    if fetch is None:
        peers = _peers_to_ask(state, entry.block.proposer)
        _begin_fetch(state, Fetch(entry.hash, entry.block.height, True, peers))
    elif has_shrunk:  # a part came: ask the same peer for the rest; otherwise the timer asks the next one
        _send_request(state, fetch, fetch.peers[(fetch.tries - 1) % len(fetch.peers)])


def _peers_to_ask(state: PbftState, first: int) -> list[int]:
    others = state.config.validators.others(state.config.me)
    return [first, *(peer for peer in others if peer != first)] if first in others else others


def _begin_fetch(state: PbftState, fetch: Fetch) -> None:
    if len(state.fetches) >= FETCHES_MAX or not fetch.peers:
        return
    state.fetches[fetch.hash] = fetch
    _ask(state, fetch)
    _set_fetch_timer(state)


def _ask(state: PbftState, fetch: Fetch) -> None:
    peer = fetch.peers[fetch.tries % len(fetch.peers)]
    fetch.tries += 1
    # After every peer was asked once, slow down: whoever has it will be heard from.
    is_round_over = fetch.tries % len(fetch.peers) == 0
    fetch.due_ms = state.now_ms + (TICK_MS if is_round_over else FETCH_TRY_MS)
    _send_request(state, fetch, peer)


def _send_request(state: PbftState, fetch: Fetch, peer: int) -> None:
    if not fetch.is_payload:
        state.send(peer, BlockRequest(fetch.hash))
        return
    entry = state.entries.get(fetch.hash)
    if entry is not None and entry.body is Body.MISSING:
        state.send(peer, PayloadRequest(fetch.hash, entry.missing))


def _set_fetch_timer(state: PbftState) -> None:
    if state.fetches:
        state.emit(SetTimer(TimerId.FETCH, min(fetch.due_ms for fetch in state.fetches.values())))
