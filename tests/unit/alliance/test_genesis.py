"""Genesis comes from public parts alone, the same everywhere; parts that do not hold, or disagree, are refused."""

import base64
import json
import random
from itertools import permutations
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.alliance.artefact import predeployed_contracts, public_chain_ids
from hansa.alliance.chain_id import check_chain_id, draw_chain_id
from hansa.alliance.errors import InvalidPublicPart, MissingPart, PartsDisagree, PublicChainId
from hansa.alliance.founding import FoundedOrganisation
from hansa.alliance.genesis import assemble_genesis
from hansa.alliance.model import Alliance
from hansa.alliance.public_part import PublicPart, decode_public_part, encode_public_part
from hansa.crypto.suite import keccak256

Founded = dict[str, tuple[Path, FoundedOrganisation]]


def parts_of(founded: Founded) -> list[PublicPart]:
    return [entry.part for _, entry in founded.values()]


def test_all_orders_of_parts_give_the_same_bytes(founded: Founded) -> None:
    made = {assemble_genesis(list(order)) for order in permutations(parts_of(founded))}
    assert len(made) == 1


def test_what_travels_as_a_file_is_the_same_part(founded: Founded) -> None:
    for root, entry in founded.values():
        file = root / "parts" / f"{entry.part.organisation}.public.json"
        assert decode_public_part(file.read_bytes(), str(file)) == entry.part


def test_no_secret_leaves_in_a_part(founded: Founded) -> None:
    for root, entry in founded.values():
        text = encode_public_part(entry.part).decode()
        secrets = [pair.secret.hex() for pair in entry.consensus_keys.values()]
        secrets += [line for file in root.rglob("*.key") for line in file.read_text().splitlines() if len(line) > 40]
        assert secrets
        assert not [secret for secret in secrets if secret.removeprefix("0x") in text]


def test_genesis_holds_what_was_agreed(founded: Founded, terms: Alliance) -> None:
    genesis = json.loads(assemble_genesis(parts_of(founded)))
    assert (genesis["name"], genesis["chain_id"], genesis["dev"]) == ("trade", terms.chain_id, False)
    assert [v["name"] for v in genesis["validators"]] == ["alpha", "beta", "gamma"]
    assert genesis["alloc"]["0x" + "02" * 20]["balance"] == hex(10**24)
    for contract in predeployed_contracts():
        account = genesis["alloc"][contract.address]
        assert (account["code"], account["nonce"]) == (contract.code, "0x1")


def test_predeployed_code_is_what_was_published() -> None:
    for contract in predeployed_contracts():
        assert "0x" + keccak256(bytes.fromhex(contract.code[2:])).hex() == contract.code_hash, contract.name


def test_a_missing_organisation_is_named(founded: Founded) -> None:
    with pytest.raises(MissingPart, match="beta"):
        assemble_genesis([part for part in parts_of(founded) if part.organisation != "beta"])
    with pytest.raises(MissingPart):
        assemble_genesis([])


def test_other_terms_are_named(founded: Founded) -> None:
    first, *rest = parts_of(founded)
    other = msgspec.structs.replace(first, terms=msgspec.structs.replace(first.terms, chain_id=7_777_777_777))
    with pytest.raises(PartsDisagree, match="chain_id"):
        assemble_genesis([*rest, other])


def test_nobody_has_two_votes(founded: Founded) -> None:
    alpha, beta, gamma = parts_of(founded)
    node = msgspec.structs.replace(beta.nodes[0], public_key=alpha.nodes[0].public_key)
    with pytest.raises(PartsDisagree, match="same key"):
        assemble_genesis([alpha, msgspec.structs.replace(beta, nodes=(node,)), gamma])
    with pytest.raises(PartsDisagree, match="two different parts"):
        assemble_genesis([alpha, beta, gamma, msgspec.structs.replace(gamma, accounts=("0x" + "09" * 20,))])


def test_a_changed_part_is_refused(founded: Founded) -> None:
    part = parts_of(founded)[1]
    changed = [
        msgspec.structs.replace(part, accounts=("0x" + "09" * 20,)),
        msgspec.structs.replace(part, organisation="gamma"),
        msgspec.structs.replace(part, proofs=()),
        msgspec.structs.replace(part, authority_signature=None),
        msgspec.structs.replace(part, ca_certificate_pem=parts_of(founded)[0].ca_certificate_pem),
        msgspec.structs.replace(part, ca_certificate_pem="no certificate"),
    ]
    for other in changed:
        with pytest.raises(InvalidPublicPart):
            decode_public_part(encode_public_part(other), "x")


def test_a_node_certificate_is_no_authority(founded: Founded) -> None:
    root, entry = founded["alpha"]
    pem = (root / "orgs/alpha/nodes/alpha/tls.crt").read_text()
    with pytest.raises(InvalidPublicPart):
        decode_public_part(encode_public_part(msgspec.structs.replace(entry.part, ca_certificate_pem=pem)), "x")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_altered_byte_is_found(founded: Founded, seed: int) -> None:
    data = bytearray(encode_public_part(parts_of(founded)[0]))
    draw = random.Random(seed)
    position = draw.randrange(len(data))
    data[position] ^= 1 << draw.randrange(7)
    try:
        part = decode_public_part(bytes(data), "x")
    except InvalidPublicPart:
        return
    assert part == parts_of(founded)[0]  # a change of white space says nothing else


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_certificate_that_is_none_is_refused(founded: Founded, changes: list[tuple[int, int]]) -> None:
    part = parts_of(founded)[0]
    encoded = "".join(part.ca_certificate_pem.splitlines()[1:-1])
    der = bytearray(base64.b64decode(encoded))
    for position, value in changes:
        der[position % len(der)] = value
    if bytes(der) == base64.b64decode(encoded):
        return
    body = base64.encodebytes(bytes(der)).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    with pytest.raises(InvalidPublicPart):
        decode_public_part(encode_public_part(msgspec.structs.replace(part, ca_certificate_pem=pem)), "x")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"null", b'{"version": 1}'])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidPublicPart):
        decode_public_part(data, "x")


def test_public_chain_ids_are_refused_and_named() -> None:
    with pytest.raises(PublicChainId, match="Ethereum Mainnet"):
        check_chain_id(1, dev=True)
    with pytest.raises(PublicChainId):
        check_chain_id(31_337, dev=False)
    check_chain_id(31_337, dev=True)
    assert len(public_chain_ids()) > 1_000


def test_drawn_chain_ids_are_private() -> None:
    drawn = {draw_chain_id() for _ in range(100)}
    assert len(drawn) > 90
    for chain_id in drawn:
        check_chain_id(chain_id, dev=False)
        assert chain_id < 2**31
