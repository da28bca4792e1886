"""The first block, from public parts alone: whoever has the same parts gets the same bytes, in whatever order."""

from collections.abc import Sequence
from typing import Any

from hansa.alliance.artefact import predeployed_contracts
from hansa.alliance.authority import check_authority_certificate, fingerprint_of
from hansa.alliance.chain_id import check_chain_id
from hansa.alliance.errors import MissingPart, PartsDisagree
from hansa.alliance.membership import MEMBERSHIP_ADDRESS, membership_account, membership_layout, voting_account
from hansa.alliance.model import Alliance, check_alliance
from hansa.alliance.public_part import PublicPart, canonical_json
from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.suite import Suite

UNITS_PER_COIN = 10**18


def assemble_genesis(parts: Sequence[PublicPart]) -> bytes:
    """Build `genesis.json`.

    Parameters
    ----------
    parts: one per organisation, already checked by `decode_public_part`, in any order.

    Raises
    ------
    MissingPart: an organisation named by the terms is not among them, or there are none.
    PartsDisagree: two parts hold different terms, speak for the same organisation, or share a key.
    PublicChainId, InvalidAllianceFile, NotLoopback: the terms themselves do not hold.
    """
    if not parts:
        raise MissingPart("no public part was given", "hansa genesis assemble core.public.json supplier.public.json …")
    terms = parts[0].terms
    by_organisation = _by_organisation(parts, terms)
    check_alliance(terms, "terms")
    check_chain_id(terms.chain_id, terms.dev)
    ordered = [by_organisation[organisation.name] for organisation in terms.organisations]
    _check_distinct(ordered)
    # A single node has nobody to agree with: its validators stay for ever.
    is_changeable = terms.consensus.kind == "pbft"
    return canonical_json(
        {
            "version": 1,
            "name": terms.name,
            "chain_id": terms.chain_id,
            "dev": terms.dev,
            "timestamp_ms": terms.timestamp_ms,
            "gas_limit": terms.rules.gas_limit,
            "rules": {"evm": terms.rules.evm, "fees": terms.rules.fees, "suite": int(Suite.STANDARD)},
            "consensus": _consensus(terms),
            "organisations": [_organisation(part) for part in ordered],
            "validators": [_validator(part, index) for part in ordered for index in range(len(part.nodes))],
            "alloc": _alloc(terms, ordered, is_changeable),
        }
        | ({"membership": membership_layout()} if is_changeable else {})
    )


def _by_organisation(parts: Sequence[PublicPart], terms: Alliance) -> dict[str, PublicPart]:
    found: dict[str, PublicPart] = {}
    for part in parts:
        if part.terms != terms:
            raise PartsDisagree(
                f"{part.organisation} agreed to other terms than {parts[0].organisation}: {_difference(part, terms)}",
                "all must run `hansa init --org` with the same alliance.toml",
            )
        if found.setdefault(part.organisation, part) != part:
            raise PartsDisagree(f"two different parts speak for {part.organisation}", "ask it which one holds")
    missing = [o.name for o in terms.organisations if o.name not in found]
    if missing:
        raise MissingPart(f"no public part of {', '.join(missing)}", "each organisation exports one: hansa init --org")
    return found


def _difference(part: PublicPart, terms: Alliance) -> str:
    """The first key in which the terms differ."""
    for field in Alliance.__struct_fields__:
        theirs, ours = getattr(part.terms, field), getattr(terms, field)
        if theirs != ours:
            return field if field == "organisations" else f"{field} is {theirs!r}, not {ours!r}"
    return "nothing"


def _check_distinct(parts: Sequence[PublicPart]) -> None:
    """No key, certificate or account may stand for two: whoever holds it would have two votes."""
    seen: dict[str, str] = {}
    for part in parts:
        identities = [(part.ca_certificate_pem, part.organisation), (voting_account(part), part.organisation)]
        for node in part.nodes:
            identities += [(key, node.name) for key in (node.public_key, node.tls_certificate_fingerprint)]
        for key, owner in identities:
            if key in seen:
                raise PartsDisagree(f"{seen[key]} and {owner} show the same key", "each must make its own")
            seen[key] = owner


def _consensus(terms: Alliance) -> dict[str, Any]:
    rules = terms.consensus
    return {
        "kind": rules.kind,
        "block_interval_ms": rules.block_interval_ms,
        "window": rules.window,
        "term": rules.term,
        "view_timeout_ms": rules.view_timeout_ms,
    }


def _organisation(part: PublicPart) -> dict[str, str]:
    certificate = check_authority_certificate(part.organisation, part.ca_certificate_pem)
    return {
        "name": part.organisation,
        "role": part.terms.organisation(part.organisation).role,
        "account": voting_account(part),
        "ca_fingerprint": "0x" + fingerprint_of(certificate).hex(),
        "ca_certificate_pem": part.ca_certificate_pem,
    }


def _validator(part: PublicPart, index: int) -> dict[str, str]:
    node = part.nodes[index]
    return {
        "name": node.name,
        "organisation": part.organisation,
        "public_key": node.public_key,
        "account": node.account,
        "tls_certificate_fingerprint": node.tls_certificate_fingerprint,
    }


def _alloc(terms: Alliance, parts: Sequence[PublicPart], is_changeable: bool) -> dict[str, Any]:
    alloc: dict[str, Any] = {}
    for contract in predeployed_contracts():
        alloc[contract.address] = _account(0, nonce=1, code=contract.code)
    if is_changeable:
        alloc[MEMBERSHIP_ADDRESS] = membership_account(terms, parts)
    balance = terms.credit * UNITS_PER_COIN
    for part in parts:
        for account in part.accounts:
            alloc.setdefault(account, _account(balance))
    if terms.dev_accounts is not None:
        for pair in derive_key_pairs(terms.dev_accounts.mnemonic, terms.dev_accounts.count):
            alloc["0x" + pair.address.hex()] = _account(balance)
    return alloc


def _account(balance: int, nonce: int = 0, code: str = "0x") -> dict[str, Any]:
    return {"balance": hex(balance), "nonce": hex(nonce), "code": code, "storage": {}}
