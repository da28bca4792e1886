"""Two processes that both vote with one key: shared marks refuse the second one; without them the chain forks."""

from functools import cache

import pytest

from hansa.consensus.errors import RefusedVote
from hansa.consensus.pbft import Rules
from hansa.sim.build import make_plain_signer
from hansa.sim.mutants.plays import play_lost_log


def test_shared_marks_refuse_a_second_process_that_knows_no_votes() -> None:
    with pytest.raises(RefusedVote):
        play_lost_log(Rules(), cache(make_plain_signer), False)


def test_marks_of_its_own_let_it_fork_the_chain() -> None:
    assert play_lost_log(Rules(), make_plain_signer, False).has_fork()
