"""Who decides in the membership contract: thresholds, what others decide about one, and accounts that vote."""

import pytest

from hansa.crypto.suite import KeyPair, key_pair
from tests.contracts.alliance_ledger import DONE, OBSERVER, OPEN, REFUSED, STATE, VALIDATOR, AllianceLedger
from tests.contracts.ledger import Refusal

GUEST = key_pair(b"\x09" * 32)
FRESH = key_pair(b"\x0d" * 32)
WEEK_S = 7 * 86_400


def state(ledger: AllianceLedger, proposal: int) -> int:
    return int(ledger.members.call("proposals", proposal)[STATE])


def needed(ledger: AllianceLedger, proposal: int) -> int:
    return int(ledger.members.call("neededFor", proposal))


def propose(ledger: AllianceLedger, function: str, *arguments: object, by: int = 0) -> int:
    """A proposal that stands open for two weeks; its number."""
    expiry = ledger.now_ms // 1_000 + 2 * WEEK_S
    events = ledger.members.send(ledger.voters[by], function, *arguments, expiry)
    return int(events["Opened"]["proposal"])


def pass_week(ledger: AllianceLedger) -> None:
    ledger.now_ms += WEEK_S * 1_000


@pytest.mark.parametrize(("size", "others"), [(3, 2), (5, 3), (7, 5)])
def test_others_decide_what_becomes_of_an_organisation(size: int, others: int) -> None:
    ledger = AllianceLedger(size=size)
    proposal = propose(ledger, "removeOrganisation", size - 1)
    assert needed(ledger, proposal) == others
    with pytest.raises(Refusal, match="has no vote"):
        ledger.members.send(ledger.voters[-1], "approve", proposal)
    with pytest.raises(Refusal, match="the others decide"):
        ledger.members.send(ledger.voters[-1], "object", proposal)
    for voter in range(1, others):
        assert state(ledger, proposal) == OPEN
        ledger.members.send(ledger.voters[voter], "approve", proposal)
    assert state(ledger, proposal) == DONE
    ledger.end_epoch()
    assert [node[7] for node in ledger.facts()[2]] == [1] * (size - 1) + [0]


def test_one_that_does_not_vote_among_three_is_removed_and_the_others_go_on() -> None:
    ledger = AllianceLedger(size=3)
    stuck = propose(ledger, "setConsensus", "(2000,50,1)")
    ledger.members.send(ledger.voters[1], "approve", stuck)
    assert state(ledger, stuck) == OPEN, "what concerns all takes all three"
    ledger.approve(propose(ledger, "removeOrganisation", 2))
    with pytest.raises(Refusal, match="the proposal is not open"):
        ledger.members.send(ledger.voters[0], "approve", 2)
    ledger.members.send(ledger.voters[0], "approve", stuck)  # it has voted: enough votes now, as one has gone
    assert state(ledger, stuck) == DONE


def test_what_an_organisation_proposes_about_itself_is_as_any_other() -> None:
    ledger = AllianceLedger(size=5)
    proposal = propose(ledger, "removeOrganisation", 4, by=4)
    assert needed(ledger, proposal) == 4
    ledger.approve(proposal)
    assert state(ledger, proposal) == DONE


def test_of_two_one_waits_a_week_before_it_removes_the_other() -> None:
    ledger = AllianceLedger(size=2)
    with pytest.raises(Refusal, match="may object for a week"):
        ledger.propose("removeOrganisation", 1)  # for an hour
    proposal = propose(ledger, "removeOrganisation", 1)
    assert (state(ledger, proposal), needed(ledger, proposal)) == (OPEN, 1)
    with pytest.raises(Refusal, match="may object for a week"):
        ledger.members.send(ledger.voters[0], "approve", proposal)
    with pytest.raises(Refusal, match="has no vote"):
        ledger.members.send(ledger.voters[1], "approve", proposal)
    pass_week(ledger)
    ledger.members.send(ledger.voters[0], "approve", proposal)
    assert state(ledger, proposal) == DONE
    ledger.end_epoch()
    assert [node[7] for node in ledger.facts()[2]] == [1, 0]


def test_of_two_the_other_one_objects() -> None:
    ledger = AllianceLedger(size=2)
    for function, arguments in (("removeOrganisation", (1,)), ("setStatus", (1, OBSERVER)), ("setAccount", (1, FRESH))):
        proposal = propose(ledger, function, *arguments)
        with pytest.raises(Refusal, match="only the organisation concerned"):
            ledger.members.send(ledger.voters[0], "object", proposal)
        ledger.members.send(ledger.voters[1], "object", proposal)
        assert state(ledger, proposal) == REFUSED
        pass_week(ledger)
        with pytest.raises(Refusal, match="not open"):
            ledger.members.send(ledger.voters[0], "approve", proposal)


def test_two_that_agree_wait_for_nothing() -> None:
    ledger = AllianceLedger(size=2)
    ledger.approve(ledger.propose("removeOrganisation", 1, by=1))
    ledger.end_epoch()
    assert [node[7] for node in ledger.facts()[2]] == [1, 0]


def test_the_notice_holds_for_what_was_proposed_while_there_were_three() -> None:
    ledger = AllianceLedger(size=3)
    proposal = propose(ledger, "removeOrganisation", 1)
    ledger.approve(propose(ledger, "removeOrganisation", 2, by=2))
    with pytest.raises(Refusal, match="may object for a week"):
        ledger.members.send(ledger.voters[0], "approve", proposal)
    ledger.members.send(ledger.voters[1], "object", proposal)
    assert state(ledger, proposal) == REFUSED


def test_the_notice_begins_when_the_others_have_left_however_old_the_proposal() -> None:
    ledger = AllianceLedger(size=3)
    proposal = propose(ledger, "setAccount", 1, ledger.account(FRESH))
    assert ledger.members.call("noticeUntil", proposal) == "0"
    pass_week(ledger)
    ledger.approve(propose(ledger, "removeOrganisation", 2, by=2))
    assert int(ledger.members.call("noticeUntil", proposal)) == ledger.now_ms // 1_000 + WEEK_S
    with pytest.raises(Refusal, match="may object for a week"):
        ledger.members.send(ledger.voters[0], "approve", proposal)
    ledger.members.send(ledger.voters[1], "object", proposal)
    assert voting_account(ledger, 1) == hex_of(ledger.voters[1])


def test_an_unsafe_set_is_refused_whoever_decides() -> None:
    ledger = AllianceLedger(size=4)
    with pytest.raises(Refusal, match="fewer than four validators"):
        propose(ledger, "removeOrganisation", 3)
    ledger = AllianceLedger(size=5)
    first, second = propose(ledger, "removeOrganisation", 4), propose(ledger, "removeOrganisation", 3)
    ledger.approve(first)
    ledger.end_epoch()
    ledger.members.send(ledger.voters[1], "approve", second)
    with pytest.raises(Refusal, match="fewer than four validators"):
        ledger.members.send(ledger.voters[2], "approve", second)


def voting_account(ledger: AllianceLedger, organisation: int) -> str:
    return str(ledger.members.call("organisations", organisation)[3]).lower()


def hex_of(pair: KeyPair) -> str:
    return "0x" + pair.address.hex()


def test_an_organisation_changes_its_account_by_itself_and_at_once() -> None:
    ledger = AllianceLedger()
    with pytest.raises(Refusal, match="no organisation votes by this account"):
        ledger.members.send(ledger.account(FRESH), "changeAccount", GUEST)
    with pytest.raises(Refusal, match="an organisation votes by this account"):
        ledger.members.send(ledger.voters[1], "changeAccount", ledger.voters[2])
    ledger.members.send(ledger.voters[1], "changeAccount", FRESH)
    assert voting_account(ledger, 1) == hex_of(FRESH)
    assert ledger.chain.epoch_end(ledger.chain.head()[2]) is None, "nobody who signs has changed"
    proposal = ledger.propose("setConsensus", "(2000,50,1)")
    with pytest.raises(Refusal, match="no organisation votes by this account"):
        ledger.members.send(ledger.voters[1], "approve", proposal)
    ledger.members.send(FRESH, "approve", proposal)


def test_others_give_an_account_to_one_that_lost_its_key() -> None:
    ledger = AllianceLedger()
    thief = ledger.account(GUEST)
    ledger.members.send(ledger.voters[1], "changeAccount", thief)  # whoever has the key may do so, too
    proposal = ledger.propose("setAccount", 1, ledger.account(FRESH))
    with pytest.raises(Refusal, match="has no vote"):
        ledger.members.send(thief, "approve", proposal)
    for voter in (2, 3):
        assert voting_account(ledger, 1) == hex_of(thief)
        ledger.members.send(ledger.voters[voter], "approve", proposal)
    assert voting_account(ledger, 1) == hex_of(FRESH)
    with pytest.raises(Refusal, match="no organisation votes by this account"):
        ledger.members.send(thief, "setStatus", 0, OBSERVER, ledger.expiry())
    with pytest.raises(Refusal, match="votes by this account"):
        ledger.propose("setAccount", 0, FRESH)
    with pytest.raises(Refusal, match="no such organisation"):
        ledger.propose("setAccount", 9, GUEST)


def test_no_more_validators_than_votes_fit_into_a_certificate() -> None:
    ledger = AllianceLedger(size=100)
    guest = ledger.account(GUEST)
    proposal = ledger.propose("invite", "guest", "member", guest, VALIDATOR)
    ledger.approve(proposal)
    ledger.join(proposal, guest, "guest")
    ledger.end_epoch()
    ledger.seal_block()  # questions to the last block of an epoch are still answered in it
    with pytest.raises(Refusal, match="at most a hundred validators"):
        ledger.members.send(ledger.voters[100], "activate", 100)
