"""Proposals as commands tell them, read from the contract itself."""

from typing import cast

import pytest

from hansa.cli.members.contract import Members
from hansa.sdk.client import Client
from tests.contracts.alliance_ledger import AllianceLedger

DAY_S = 86_400


class DirectClient:
    """Asks a ledger in this process."""

    def __init__(self, ledger: AllianceLedger) -> None:
        self.call = ledger.ask


@pytest.mark.parametrize(("size", "needed", "notice_days"), [(2, 1, 7), (3, 2, None)])
def test_a_proposal_says_until_when_the_other_one_of_two_may_object(
    size: int, needed: int, notice_days: int | None
) -> None:
    ledger = AllianceLedger(size=size)
    expires_at = ledger.now_ms // 1_000 + 14 * DAY_S
    ledger.members.send(ledger.voters[0], "removeOrganisation", 1, expires_at)
    opened_at = ledger.now_ms // 1_000
    (found,) = Members(cast("Client", DirectClient(ledger))).proposals()
    assert (found.kind, found.state, found.subject, found.votes, found.needed) == ("remove", "open", 1, 1, needed)
    assert found.notice_until == (None if notice_days is None else opened_at + notice_days * DAY_S)
    assert found.expires_at == expires_at
