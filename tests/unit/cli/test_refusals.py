"""Every refusal of the membership contract tells people what to do next."""

import re
from pathlib import Path

import pytest

from hansa.cli.members.refusals import NEXT_STEPS, with_next_step
from hansa.sdk.errors import Reverted, RpcFailed

SOURCE = Path(__file__).resolve().parents[3] / "contracts/system/Membership.vy"


def test_the_contracts_words_and_the_table_are_the_same() -> None:
    text = SOURCE.read_text()
    words = set(re.findall(r'^ +(?:assert .*, |raise )"([^"]+)"$', text, re.MULTILINE))
    assert words == set(NEXT_STEPS)


@pytest.mark.parametrize("words", sorted(NEXT_STEPS))
def test_a_refusal_keeps_its_cause_and_code(words: str) -> None:
    failure = with_next_step(Reverted(f'reverted: "{words}"', code="EVM-1", hash="0x00"))
    assert isinstance(failure, Reverted)
    assert (failure.hint, failure.remote_code, failure.data) == (NEXT_STEPS[words], "EVM-1", {"hash": "0x00"})


def test_other_failures_stay_as_they_are() -> None:
    for failure in (Reverted('reverted: "somebody else\'s words"'), RpcFailed("no such method")):
        assert with_next_step(failure) is failure
