"""A first alliance.toml: the four organisations of the demo, or a text for real ones to agree upon."""

from hansa.alliance.model import Alliance, Consensus, DevAccounts, Node, Organisation, Rules

P2P_PORT = 30_300
RPC_PORT = 8_545
DEMO_ROLES = {"core": "enterprise", "supplier": "supplier", "bank": "bank", "regulator": "regulator"}
DEMO_USERS = {
    "core": ("core", "core-clerk"),
    "supplier": ("supplier", "tier2"),
    "bank": ("bank", "bank-clerk"),
    "regulator": ("regulator", "auditor"),
}


def draft_alliance(
    name: str, chain_id: int, timestamp_ms: int, dev: bool, organisations: tuple[str, ...] = (), port: int | None = None
) -> Alliance:
    """Describe an alliance with one node per organisation on this machine.

    Parameters
    ----------
    organisations: their names; the four of the demo when empty.
    port: first of 3 × n consecutive ports; None = the usual ones (30300 …, 8545 …).
    """
    names = organisations or tuple(DEMO_ROLES)
    entries = []
    for index, organisation in enumerate(names):
        p2p, rpc, ws = _ports(index, len(names), port)
        node = Node(organisation, f"127.0.0.1:{p2p}", f"127.0.0.1:{rpc}", f"127.0.0.1:{ws}")
        users = DEMO_USERS.get(organisation, (organisation,)) if dev else ()
        entries.append(Organisation(organisation, (node,), DEMO_ROLES.get(organisation, "member"), users))
    return Alliance(
        version=1,
        name=name,
        chain_id=chain_id,
        timestamp_ms=timestamp_ms,
        organisations=tuple(entries),
        dev=dev,
        consensus=Consensus(kind="solo" if len(names) == 1 else "pbft"),
        dev_accounts=DevAccounts() if dev else None,
    )


def _ports(index: int, count: int, first: int | None) -> tuple[int, int, int]:
    if first is None:
        return P2P_PORT + index, RPC_PORT + 2 * index, RPC_PORT + 2 * index + 1
    return first + index, first + count + 2 * index, first + count + 2 * index + 1


def encode_alliance(alliance: Alliance) -> str:
    """The text of alliance.toml; reading it back gives the same value."""
    lines = [
        "# An alliance: what all its members agree upon. No secret stands here.",
        "version = 1",
        f'name = "{alliance.name}"',
        f"chain_id = {alliance.chain_id}",
        f"timestamp_ms = {alliance.timestamp_ms}  # of the first block",
        f"credit = {alliance.credit}  # coins of 10^18 units for each user account",
    ]
    if alliance.dev:
        lines.append("dev = true  # keys that everybody knows: this machine only, nothing of value")
    lines += _rules(alliance.rules) + _consensus(alliance.consensus)
    if alliance.dev_accounts is not None:
        accounts = alliance.dev_accounts
        lines += ["", "[dev_accounts]", f'mnemonic = "{accounts.mnemonic}"', f"count = {accounts.count}"]
    for organisation in alliance.organisations:
        lines += _organisation(organisation)
    return "\n".join(lines) + "\n"


def _rules(rules: Rules) -> list[str]:
    return ["", "[rules]", f'evm = "{rules.evm}"', f'fees = "{rules.fees}"', f"gas_limit = {rules.gas_limit}"]


def _consensus(consensus: Consensus) -> list[str]:
    return [
        "",
        "[consensus]",
        f'kind = "{consensus.kind}"',
        f"block_interval_ms = {consensus.block_interval_ms}",
        f"window = {consensus.window}",
        f"term = {consensus.term}",
        f"view_timeout_ms = {consensus.view_timeout_ms}",
    ]


def _organisation(organisation: Organisation) -> list[str]:
    users = ", ".join(f'"{user}"' for user in organisation.users)
    lines = ["", "[[organisations]]", f'name = "{organisation.name}"', f'role = "{organisation.role}"']
    lines.append(f"users = [{users}]")
    for node in organisation.nodes:
        lines += ["", "[[organisations.nodes]]", f'name = "{node.name}"', f'listen = "{node.listen}"']
        lines += [f'rpc = "{node.rpc}"', f'ws = "{node.ws}"']
    return lines
