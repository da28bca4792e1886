"""Writing `node.toml`: one node, how it listens and where its peers are. `hansa.node.config` reads it."""

from hansa.alliance.model import Alliance


def encode_node_config(alliance: Alliance, name: str) -> str:
    """The text of node.toml for the validator `name`."""
    entries = alliance.nodes()
    index = next(i for i, (_, node) in enumerate(entries) if node.name == name)
    organisation, node = entries[index]
    lines = [
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
