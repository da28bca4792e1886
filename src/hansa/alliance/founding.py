"""Founding an alliance, step by step: describe, make one organisation's keys, assemble genesis, set up its nodes."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa.alliance.authority import create_authority, issue_node_certificate
from hansa.alliance.errors import FolderTaken, NoAlliance
from hansa.alliance.files import make_private_folder, read_public, read_text, write_private, write_public
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance, Organisation, parse_alliance, split_address
from hansa.alliance.node_config import encode_node_config
from hansa.alliance.public_part import PublicPart, build_public_part, decode_public_part, encode_public_part
from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.keystore import SCRYPT_LIGHT, encrypt_key
from hansa.crypto.suite import KeyPair, generate_key_pair

DEV_PASSWORD = "dev"  # opens the user keys of development alliances; said everywhere, protects nothing


@dataclass(frozen=True, slots=True, repr=False)
class FoundedOrganisation:
    """What `found_organisation` made: its public part, and the consensus secrets still needed to set up its nodes."""

    part: PublicPart
    consensus_keys: dict[str, KeyPair]  # by node name


def load_alliance(folder: AllianceFolder) -> Alliance:
    """Read the alliance of a folder.

    Raises
    ------
    NoAlliance: there is no alliance.toml.
    InvalidAllianceFile, NotLoopback: it does not hold.
    """
    return parse_alliance(read_text(folder.description), str(folder.description))


def load_genesis(folder: AllianceFolder) -> bytes:
    """The bytes of genesis.json.

    Raises
    ------
    NoAlliance: it was not assembled yet.
    """
    try:
        return read_public(folder.genesis)
    except NoAlliance:
        raise NoAlliance(
            f"{folder.genesis} does not exist", "hansa genesis assemble, with every organisation's public part"
        ) from None


def load_parts(folder: AllianceFolder) -> list[PublicPart]:
    """All public parts that lie in the folder, by name.

    Raises
    ------
    InvalidPublicPart: one does not hold.
    """
    files = sorted((folder.root / "parts").glob("*.public.json"))
    return [decode_public_part(read_public(file), str(file)) for file in files]


def found_organisation(
    folder: AllianceFolder, alliance: Alliance, name: str, accounts: Sequence[bytes], now: datetime.datetime
) -> FoundedOrganisation:
    """Make one organisation's authority and node keys, and write its public part.

    Parameters
    ----------
    accounts: 20-byte addresses of its users; each starts with the alliance's credit.

    Raises
    ------
    NoSuchMember: the alliance has no such organisation.
    FolderTaken: the organisation has keys here already.
    """
    organisation = alliance.organisation(name)
    if folder.ca_key(name).exists():
        raise FolderTaken(f"{name} has its keys in {folder.organisation(name)} already", "they are never replaced")
    make_private_folder(folder.organisation(name))
    authority = create_authority(name, alliance.name, now)
    write_private(folder.ca_key(name), authority.key_pem)
    write_public(folder.ca_certificate(name), authority.certificate_pem)
    consensus_keys: dict[str, KeyPair] = {}
    public_nodes: list[tuple[str, KeyPair, bytes]] = []
    for node in organisation.nodes:
        host, _ = split_address(node.listen)
        certificate = issue_node_certificate(authority, node.name, host, alliance.name, now)
        pair = generate_key_pair()
        where = folder.node(name, node.name)
        make_private_folder(where.root)
        write_private(where.tls_key, certificate.key_pem)
        write_public(where.tls_certificate, certificate.certificate_pem)
        write_private(where.consensus_key, encode_secret(pair.secret))
        consensus_keys[node.name] = pair
        public_nodes.append((node.name, pair, certificate.fingerprint))
    part = build_public_part(alliance, authority, public_nodes, accounts)
    write_public(folder.part(name), encode_public_part(part))
    return FoundedOrganisation(part, consensus_keys)


def write_dev_users(folder: AllianceFolder, alliance: Alliance) -> dict[str, list[bytes]]:
    """Write the users of a development alliance as keystores opened by `DEV_PASSWORD`; their addresses by organisation.

    Their keys are the first ones of the development mnemonic, in the order of alliance.toml.
    """
    if alliance.dev_accounts is None:
        return {}
    users = [(o.name, user) for o in alliance.organisations for user in o.users]
    addresses: dict[str, list[bytes]] = {}
    pairs = derive_key_pairs(alliance.dev_accounts.mnemonic, len(users))
    for (organisation, user), pair in zip(users, pairs, strict=True):
        keystore = encrypt_key(pair.secret, DEV_PASSWORD, SCRYPT_LIGHT)
        write_private(folder.users(organisation) / f"{user}.json", keystore)
        addresses.setdefault(organisation, []).append(pair.address)
    return addresses


def install_nodes(folder: AllianceFolder, alliance: Alliance, genesis: bytes, organisation: Organisation) -> None:
    """Write what the organisation's nodes need beside their keys: node.toml, genesis.json and everybody's CAs."""
    bundle = "".join(part.ca_certificate_pem for part in _in_order(alliance, load_parts(folder)))
    for node in organisation.nodes:
        where = folder.node(organisation.name, node.name)
        write_public(where.genesis, genesis)
        write_public(where.ca_bundle, bundle.encode())
        write_public(where.config, encode_node_config(alliance, node.name).encode())


def _in_order(alliance: Alliance, parts: Sequence[PublicPart]) -> list[PublicPart]:
    by_name = {part.organisation: part for part in parts}
    return [by_name[o.name] for o in alliance.organisations if o.name in by_name]


def encode_secret(secret: bytes) -> bytes:
    """How consensus.key holds its 32 bytes: one line of hex."""
    return b"0x" + secret.hex().encode() + b"\n"


def local_organisations(folder: AllianceFolder, alliance: Alliance) -> list[Organisation]:
    """The organisations whose keys lie in this folder."""
    return [o for o in alliance.organisations if folder.ca_key(o.name).exists()]


def node_folders(folder: AllianceFolder, alliance: Alliance) -> list[tuple[str, str, NodeFolder]]:
    """Organisation, node name and folder of every node that can run from here, in validator order."""
    found = [(o.name, node.name, folder.node(o.name, node.name)) for o, node in alliance.nodes()]
    return [entry for entry in found if entry[2].tls_key.exists()]  # the consensus key may lie with a signer


def companion_folders(folder: AllianceFolder, alliance: Alliance) -> list[tuple[str, str, NodeFolder]]:
    """Organisation, node name and folder of the signers and standbys that can run from here, signers first."""
    places = [(o.name, node.name) for o, node in alliance.nodes()]
    signers = [(owner, f"{name}-signer", folder.signer(owner, name)) for owner, name in places]
    standbys = [(owner, f"{name}-standby", folder.standby(owner, name)) for owner, name in places]
    return [entry for entry in signers + standbys if entry[2].tls_key.exists()]


def resolve_folder(root: Path) -> AllianceFolder:
    """The alliance folder at `root`, or the one of which `root` is an organisation's or node's folder."""
    for candidate in (root, *root.absolute().parents[:4]):
        if (candidate / "alliance.toml").exists():
            return AllianceFolder(candidate)
    return AllianceFolder(root)
