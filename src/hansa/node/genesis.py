"""What a node reads of genesis.json; the native chain reads the rest of it (rules, accounts) itself."""

from typing import Literal

import msgspec

from hansa.consensus.validators import ValidatorSet
from hansa.node.errors import InvalidNodeConfig
from hansa.types.epoch import EpochFacts, EpochNode

PREFIX = "0x"
PROTOCOL = 1


class GenesisConsensus(msgspec.Struct, frozen=True):
    """How the members agree on the order; the same for all."""

    kind: Literal["pbft", "solo"] = "pbft"
    block_interval_ms: int = 50
    window: int = 8
    term: int = 10_000
    view_timeout_ms: int = 1_000


class GenesisOrganisation(msgspec.Struct, frozen=True):
    """One member organisation and its CA."""

    name: str
    ca_certificate_pem: str


class GenesisValidator(msgspec.Struct, frozen=True):
    """One validator node."""

    name: str
    organisation: str
    public_key: str  # 0x and 66 hex digits, compressed secp256k1
    account: str  # 0x and 40 hex digits
    tls_certificate_fingerprint: str | None = None  # 0x and 64 hex digits, SHA-256 of the DER certificate


class Genesis(msgspec.Struct, frozen=True):
    """The alliance's part of genesis.json."""

    version: Literal[1]
    name: str
    chain_id: int
    gas_limit: int
    timestamp_ms: int
    validators: tuple[GenesisValidator, ...]
    organisations: tuple[GenesisOrganisation, ...] = ()
    dev: bool = False
    consensus: GenesisConsensus = GenesisConsensus()

    def epoch(self) -> EpochFacts:
        """Epoch 0, which lasts for ever where no contract can change it.

        Raises
        ------
        InvalidNodeConfig: a validator of an unknown organisation, a malformed key, account or fingerprint.
        """
        authorities = {organisation.name: organisation.ca_certificate_pem for organisation in self.organisations}
        nodes: list[EpochNode] = []
        for index, (validator, public, account) in enumerate(
            zip(self.validators, self.public_keys(), self.accounts(), strict=True)
        ):
            pem = authorities.get(validator.organisation)
            if pem is None and len(self.validators) > 1:  # one alone shows itself to nobody
                raise InvalidNodeConfig(f"genesis.json: validator {validator.name} is of no listed organisation")
            printed = validator.tls_certificate_fingerprint
            fingerprint = None if printed is None else unhex(printed, 32, "tls_certificate_fingerprint")
            owner = validator.organisation
            nodes.append(EpochNode(index, validator.name, owner, public, account, fingerprint, pem or "", "", 1))
        rules = self.consensus
        return EpochFacts(0, 1, tuple(nodes), rules.view_timeout_ms, rules.block_interval_ms, PROTOCOL)

    def validator_set(self) -> ValidatorSet:
        """The validators as consensus counts them: one vote each."""
        return ValidatorSet([1] * len(self.validators))

    def public_keys(self) -> list[bytes]:
        """The consensus keys in validator order, 33 bytes each.

        Raises
        ------
        InvalidNodeConfig: a malformed key.
        """
        return [unhex(validator.public_key, 33, "public_key") for validator in self.validators]

    def accounts(self) -> list[bytes]:
        """The validators' accounts in validator order, 20 bytes each.

        Raises
        ------
        InvalidNodeConfig: a malformed address.
        """
        return [unhex(validator.account, 20, "account") for validator in self.validators]


def unhex(text: str, size: int, what: str) -> bytes:
    """Bytes of a 0x-prefixed hexadecimal string.

    Raises
    ------
    InvalidNodeConfig: not hexadecimal, or not `size` bytes.
    """
    try:
        value = bytes.fromhex(text.removeprefix(PREFIX))
    except ValueError as error:
        raise InvalidNodeConfig(f"genesis.json: {what} {text[:80]!r} is not hexadecimal") from error
    if len(value) != size:
        raise InvalidNodeConfig(f"genesis.json: {what} has {len(value)} bytes, not {size}")
    return value


def decode_genesis(data: bytes) -> Genesis:
    """Read the alliance's part of genesis.json.

    Raises
    ------
    InvalidNodeConfig: malformed JSON, a missing or mistyped field, no validator.
    """
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidNodeConfig(f"genesis.json: {error}", "restore the alliance's genesis.json") from error
    if not genesis.validators:
        raise InvalidNodeConfig("genesis.json lists no validator", "restore the alliance's genesis.json")
    return genesis
