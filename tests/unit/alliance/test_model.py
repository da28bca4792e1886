"""alliance.toml: what it says comes back, and mistakes are named with their place and the nearest key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa import _native
from hansa.alliance.draft import draft_alliance, encode_alliance
from hansa.alliance.errors import InvalidAllianceFile, NoSuchMember, NotLoopback
from hansa.alliance.model import GAS_LIMIT_MAX, Alliance, is_loopback, parse_alliance, split_address
from hansa.errors import HansaError
from tests.unit.native.alliance_fixture import genesis

DEV = draft_alliance("demo", 123_456_789, 1_700_000_000_000, dev=True)
TEXT = encode_alliance(DEV)


def line_of(text: str, needle: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if needle in line)


@pytest.mark.parametrize("dev", [True, False])
@pytest.mark.parametrize("names", [(), ("solo",), ("a", "b", "c", "d", "e", "f", "g")])
def test_what_is_written_is_read(dev: bool, names: tuple[str, ...]) -> None:
    alliance = draft_alliance("x", 5, 0, dev, names, port=20_000)
    assert parse_alliance(encode_alliance(alliance)) == alliance


def test_the_demo_has_four_organisations_in_the_order_of_their_index() -> None:
    assert [(o.name, node.name) for o, node in DEV.nodes()] == [
        ("core", "core"),
        ("supplier", "supplier"),
        ("bank", "bank"),
        ("regulator", "regulator"),
    ]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("windw", "window"), ("chain_idd", "chain_id"), ("lisen", "listen"), ("evn", "evm"), ("mnemoni", "mnemonic")],
)
def test_an_unknown_key_is_an_error_with_the_nearest_name_and_its_place(wrong: str, right: str) -> None:
    text = TEXT.replace(f"{right} =", f"{wrong} =", 1)
    with pytest.raises(InvalidAllianceFile) as caught:
        parse_alliance(text)
    assert f"unknown key `{wrong}`" in caught.value.cause
    assert caught.value.hint == f"did you mean `{right}`?"
    assert caught.value.data["line"] == line_of(text, wrong)


def test_the_right_one_of_several_tables_is_named() -> None:
    text = TEXT.replace('rpc = "127.0.0.1:8549"', 'rcp = "127.0.0.1:8549"')
    with pytest.raises(InvalidAllianceFile) as caught:
        parse_alliance(text)
    assert caught.value.data["line"] == line_of(text, "rcp")


@pytest.mark.parametrize(
    "change",
    [
        ("chain_id = 123456789", "chain_id = 0"),
        ("chain_id = 123456789", 'chain_id = "one"'),
        ("chain_id = 123456789", "chain_id = 9007199254740992"),
        ("version = 1", "version = 2"),
        ('evm = "osaka"', 'evm = "paris"'),
        ("window = 8", "window = 0"),
        ('name = "demo"', 'name = "De mo"'),
        ("[rules]", "[rules"),
        ('listen = "127.0.0.1:30301"', 'listen = "127.0.0.1"'),
        ('listen = "127.0.0.1:30301"', 'listen = "127.0.0.1:70000"'),
        ('listen = "127.0.0.1:30301"', 'listen = "127.0.0.1:30300"'),  # twice
        ('name = "supplier"', 'name = "core"'),  # twice
        ('kind = "pbft"', 'kind = "solo"'),  # with four nodes
        ("dev = true", "dev = false"),  # with dev_accounts
    ],
)
def test_what_does_not_hold_is_refused(change: tuple[str, str]) -> None:
    text = TEXT.replace(*change)
    assert text != TEXT
    with pytest.raises(InvalidAllianceFile):
        parse_alliance(text)


@pytest.mark.parametrize("address", ["0.0.0.0:30301", "10.0.0.1:30301", "node.example:30301", "[::]:30301"])
def test_a_development_alliance_stays_on_this_machine(address: str) -> None:
    with pytest.raises(NotLoopback):
        parse_alliance(TEXT.replace("127.0.0.1:30301", address))


def test_every_failure_has_code_cause_and_hint() -> None:
    for text in ("", "x = 1", "version = 1", TEXT.replace("window", "windw")):
        with pytest.raises(HansaError) as caught:
            parse_alliance(text)
        body = caught.value.as_json()
        assert body["code"] == "ALLIANCE-1"
        assert body["cause"]
        assert body["hint"]


def test_addresses() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address("bank.example:30300") == ("bank.example", 30_300)
    assert is_loopback("::1")
    assert is_loopback("127.9.9.9")
    assert not is_loopback("192.168.0.1")


def test_an_unknown_organisation_names_those_that_there_are() -> None:
    with pytest.raises(NoSuchMember) as caught:
        DEV.organisation("bnak")
    assert "bank" in caught.value.hint
    assert isinstance(DEV, Alliance)


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, len(TEXT) - 1), length=st.integers(0, 12), inserted=st.text(max_size=8))
def test_any_text_is_read_or_refused_with_a_cause(position: int, length: int, inserted: str) -> None:
    text = TEXT[:position] + inserted + TEXT[position + length :]
    try:
        alliance = parse_alliance(text)
    except (InvalidAllianceFile, NotLoopback) as error:
        assert error.cause
        assert error.hint
    else:
        assert parse_alliance(encode_alliance(alliance)) == alliance


def test_the_gas_of_a_block_is_bounded_as_the_core_bounds_it() -> None:
    asked = TEXT.replace("gas_limit = 1000000000", f"gas_limit = {GAS_LIMIT_MAX}")
    assert parse_alliance(asked).rules.gas_limit == GAS_LIMIT_MAX
    assert _native.genesis_hash(genesis(gas_limit=GAS_LIMIT_MAX))
    with pytest.raises(InvalidAllianceFile):
        parse_alliance(TEXT.replace("gas_limit = 1000000000", f"gas_limit = {GAS_LIMIT_MAX + 1}"))
    with pytest.raises(_native.NativeError, match="gas_limit"):
        _native.genesis_hash(genesis(gas_limit=GAS_LIMIT_MAX + 1))
