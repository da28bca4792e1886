"""Writing `node.toml`: one node, how it listens and where its peers are. `hansa.node.config` reads it."""

from hansa.alliance.model import Alliance, Node, Organisation


def encode_node_config(alliance: Alliance, name: str) -> str:
    """The text of node.toml for the validator `name`."""
    entries = alliance.nodes()
    index = next(i for i, (_, node) in enumerate(entries) if node.name == name)
    organisation, known = entries[index]
    lines = _own_lines(alliance, organisation, known, index)
    for position, (owner, peer) in enumerate(entries):
        if position != index:
            lines += [
                "",
                "[[peers]]",
                f'name = "{peer.name}"',
                f'organisation = "{owner.name}"',
                f"index = {position}",
                f'address = "{peer.listen}"',
            ]
    return "\n".join(lines) + "\n"


def encode_joined_config(alliance: Alliance, name: str, index: int) -> str:
    """The text of node.toml for a node that joined later: the membership contract says where its peers are."""
    organisation, node = next(entry for entry in alliance.nodes() if entry[1].name == name)
    return "\n".join(_own_lines(alliance, organisation, node, index)) + "\n"


def _own_lines(alliance: Alliance, organisation: Organisation, node: Node, index: int) -> list[str]:
    return [
        "# One node of the alliance; paths are relative to this file's folder.",
        "version = 1",
        f'name = "{node.name}"',
        f'organisation = "{organisation.name}"',
        f"index = {index}",
        f"dev = {str(alliance.dev).lower()}",
        f'listen = "{node.listen}"',
        f'rpc_listen = "{node.rpc}"',
        f'ws_listen = "{node.ws}"',
        'data = "data"',
    ]


def encode_signer_config(alliance: Alliance, name: str, index: int, listen: str) -> str:
    """The text of signer.toml for the validator `name`."""
    organisation = next(owner for owner, node in alliance.nodes() if node.name == name)
    lines = [
        "# The signer of one validator that has two nodes; it holds their key and what they signed.",
        "version = 1",
        f'name = "{name}"',
        f'organisation = "{organisation.name}"',
        f"index = {index}",
        f"dev = {str(alliance.dev).lower()}",
        f'listen = "{listen}"',
    ]
    return "\n".join(lines) + "\n"
