"""The replica: which machine hears what, and that every row of the tables leads somewhere."""

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import Effect, Halt, ImportBlocks, Send, ServeBlocks, SetTimer, SignVote
from hansa.consensus.inputs import Imported, MessageIn, PeerDown, Restored, TimerFired, TimerId, WorkPending
from hansa.consensus.messages import RangeRequest, RangeResponse, Status
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead
from hansa.node.pipeline import (
    OVERHEARD_INPUTS,
    OVERHEARD_MESSAGES,
    SERVED_MESSAGES,
    SYNC_EFFECTS,
    SYNC_FEEDBACK,
    SYNC_MESSAGES,
)
from hansa.node.replica import EngineKind, Replica, ReplicaConfig
from hansa.sim.ledger import GENESIS_HEAD, GENESIS_ORDER_HASH, compute_digest, compute_order_hash, execute
from hansa.types.order import OrderBlock, PayloadKind


def make_replica(kind: EngineKind = EngineKind.PBFT, size: int = 4) -> Replica:
    engine = EngineConfig(
        me=0,
        validators=ValidatorSet([1] * size),
        genesis_order_hash=GENESIS_ORDER_HASH,
        order_hash=compute_order_hash,
        payload_hash=compute_digest,
        verify_own_votes=False,
    )
    replica = Replica(ReplicaConfig(engine, kind))
    replica.step(Restored(GENESIS_HEAD, ((0, GENESIS_HEAD.sealed_hash),), (), ()), 0, 10**12)
    return replica


def only(kind: type, effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def status(height: int) -> Status:
    return Status(0, 0, 0, 0, 0, height, height, False)


def make_head(height: int) -> SealedHead:
    before = GENESIS_HEAD if height == 1 else make_head(height - 1)
    block = OrderBlock(
        0, 0, height, before.order_hash, 0, 0, GENESIS_HEAD.sealed_hash, 10**12, 0,
        PayloadKind.TRANSACTION_HASHES, compute_digest(b"t" * 32), 1, 21_000,
    )  # fmt: skip
    order_hash = compute_order_hash(block)
    return SealedHead(height, execute(before.sealed_hash, order_hash), order_hash, block)


def far_behind() -> tuple[Replica, list[Effect]]:
    replica = make_replica()
    replica.step(MessageIn(1, status(100)), 10, 10**12)
    return replica, replica.step(MessageIn(2, status(100)), 10, 10**12)


def test_status_is_heard_by_sync_too() -> None:
    replica, effects = far_behind()
    requests = [effect for effect in only(Send, effects) if isinstance(effect.message, RangeRequest)]
    assert requests and replica.status().syncing and not replica.status().voting


def test_imported_blocks_move_ordering_before_sync_goes_on() -> None:
    replica, effects = far_behind()
    request = next(e.message for e in only(Send, effects) if isinstance(e.message, RangeRequest))
    peer = next(e.peer for e in only(Send, effects) if isinstance(e.message, RangeRequest))
    answer = RangeResponse(request.request, request.first, (b"1", b"2"))
    (imports,) = only(ImportBlocks, replica.step(MessageIn(peer, answer), 20, 10**12))
    assert imports.blocks == (b"1", b"2")
    replica.step(Imported(imports.request, (make_head(1), make_head(2))), 30, 10**12)
    assert replica.sealed_height == 2
    assert replica.status().sealed_height == 2


def test_a_split_result_halts() -> None:
    replica, _ = far_behind()
    effects = replica.step(Imported(1, (), "BLOCK-RESULT: another stateRoot", True), 20, 10**12)
    assert only(Halt, effects) and replica.status().halted


def test_ranges_are_served_without_asking_anybody() -> None:
    effects = make_replica().step(MessageIn(3, RangeRequest(7, 5, 10)), 10, 10**12)
    assert effects == [ServeBlocks(3, 7, 5, 10)]


def test_the_sync_timer_is_syncs() -> None:
    replica, effects = far_behind()
    assert only(Send, effects)
    later = replica.step(TimerFired(TimerId.SYNC), 5_000, 10**12)
    assert only(Send, later) == []  # both peers failed to answer; neither is asked again at once
    assert only(SetTimer, later)


def test_a_lost_peer_is_lost_for_both_machines() -> None:
    replica, _ = far_behind()
    replica.step(PeerDown(2), 20, 10**12)
    assert not replica.status().syncing  # one claim alone does not make us count as behind


def test_solo_seals_alone() -> None:
    replica = make_replica(EngineKind.SOLO, 1)
    assert replica.step(WorkPending(True), 10, 10**12)
    assert replica.status().voting and replica.status().leader == 0


def test_a_single_validator_also_runs_pbft() -> None:
    replica = make_replica(size=1)
    assert not only(SignVote, replica.step(WorkPending(True), 10, 10**12))  # the pool is asked first
    assert replica.status().voting


def test_no_message_and_no_effect_has_two_rows() -> None:
    assert not set(SYNC_MESSAGES) & set(SERVED_MESSAGES) and not set(SYNC_MESSAGES) & set(OVERHEARD_MESSAGES)
    assert not set(SYNC_EFFECTS) & set(SYNC_FEEDBACK)
    assert set(OVERHEARD_INPUTS) == {PeerDown}
