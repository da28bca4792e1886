"""A validator that asks and votes far more than it should."""

from collections.abc import Callable

from hansa.consensus.messages import (
    BlockRequest,
    EvidenceReport,
    Message,
    PayloadRequest,
    RangeRequest,
    Rejoin,
    Status,
    ViewChange,
    VoteQuery,
    Votes,
)
from hansa.consensus.values import Vote, VoteType
from hansa.sim.attackers.attacker import Attacker
from hansa.sim.ledger import compute_digest

BURST = 10  # messages to each peer in a turn; about as many as all honest ones together send


class Flood(Attacker):
    """Votes for heights and views that are far away, calls for help, requests for what nobody has."""

    def on_turn(self) -> None:
        """Ten messages to everybody."""
        makers = (self._far_votes, self._status, self._question, self._view_change, self._evidence)
        for peer in self.puppet.peers:
            for _ in range(BURST):
                self.puppet.tell(peer, self.rng.choice(makers)())

    def _draw_vote(self, vote_type: VoteType) -> Vote:
        rng = self.rng
        height, view = rng.randrange(1, 3_000), rng.randrange(50)
        return Vote(vote_type, self.puppet.epoch, 0 if vote_type is VoteType.SEAL else view, height, rng.randbytes(32))

    def _far_votes(self) -> Message:
        kinds = (VoteType.PREPARE, VoteType.COMMIT, VoteType.SEAL)
        return Votes(tuple(self.puppet.sign(self._draw_vote(self.rng.choice(kinds))) for _ in range(20)))

    def _status(self) -> Message:
        rng = self.rng
        return Status(self.puppet.epoch, rng.randrange(9), 0, 0, rng.randrange(9), 0, 0, True)

    def _question(self) -> Message:
        rng = self.rng
        questions: tuple[Callable[[], Message], ...] = (
            VoteQuery,
            lambda: Rejoin(self.puppet.epoch, rng.randrange(5), rng.randrange(9)),
            lambda: BlockRequest(rng.randbytes(32)),
            lambda: PayloadRequest(rng.randbytes(32), rng.randbytes(64)),
            lambda: RangeRequest(rng.randrange(1_000), rng.randrange(100), 64),
        )
        return rng.choice(questions)()

    def _view_change(self) -> Message:
        qc = self.puppet.root_qc()
        vote = Vote(VoteType.VIEW_CHANGE, self.puppet.epoch, self.rng.randrange(1, 40), qc.height, qc.hash, qc.view)
        return ViewChange(self.puppet.sign(vote), qc)

    def _evidence(self) -> Message:
        vote = self._draw_vote(VoteType.PREPARE)
        other = Vote(vote.type, vote.epoch, vote.view, vote.height, compute_digest(vote.hash))
        return EvidenceReport(self.puppet.sign(vote), self.puppet.sign(other))
