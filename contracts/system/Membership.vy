#pragma version 0.4.3
#pragma evm-version cancun
"""
@title Membership
@license Apache-2.0
@notice Who belongs to the alliance: its organisations, their nodes, and how consensus is set. Genesis holds this
        contract with its storage filled; from then on organisations change it by vote.
@dev    What decides who may sign changes at the end of an epoch only. An accepted change is staged, and the epoch ends
        `window` blocks later; changes accepted until then join it. Nodes read this storage by slot (genesis names the
        layout), so that `epoch_end <= height` means: what is staged is in force for the block after `height`.
        A node's index is given once and never again.
"""

ORGANISATIONS_MAX: constant(uint256) = 128
NODES_MAX: constant(uint256) = 256
EXPIRY_MAX: constant(uint256) = 30 * 86_400  # seconds that a proposal may stand open
FAULT_TOLERANT: constant(uint256) = 4  # validators: the fewest of which one may fail

# Kinds of proposals.
INVITE: constant(uint256) = 1
REMOVE_ORGANISATION: constant(uint256) = 2
SET_STATUS: constant(uint256) = 3
SET_CONSENSUS: constant(uint256) = 4

# States of proposals.
OPEN: constant(uint256) = 1
ACCEPTED: constant(uint256) = 2  # an invitation that nobody has used yet
DONE: constant(uint256) = 3

# What a node is; a staged node of status 0 is none.
OBSERVER: constant(uint256) = 1
VALIDATOR: constant(uint256) = 2
REMOVED: constant(uint256) = 3

struct Organisation:
    name: String[31]
    role: String[64]
    authority: Bytes[1024]  # CA certificate, DER
    account: address  # votes for it
    active: bool

struct Node:
    name: String[31]
    organisation: uint256
    key: Bytes[33]  # consensus key, compressed
    account: address  # beneficiary of the blocks that it proposes; of its first key, for ever
    certificate: bytes32  # SHA-256 of its TLS certificate, DER
    endpoint: String[260]  # host:port for the other nodes
    status: uint256
    since: uint256  # epoch since which all this holds
    promised: bool  # may become a validator by its organisation's own word

struct Consensus:
    view_timeout_ms: uint256
    block_interval_ms: uint256
    protocol: uint256

struct Proposal:
    kind: uint256
    state: uint256
    proposer: uint256  # organisation
    subject: uint256  # organisation or node
    status: uint256  # SET_STATUS: what the node is to be; INVITE: OBSERVER, or VALIDATOR once it has caught up
    name: String[31]  # INVITE
    role: String[64]  # INVITE
    invitee: address  # INVITE: may complete it
    consensus: Consensus  # SET_CONSENSUS
    votes: uint256  # one bit for each organisation
    expires_at: uint256  # seconds since 1970

event Opened:
    proposal: indexed(uint256)
    kind: uint256
    proposer: uint256

event Approved:
    proposal: indexed(uint256)
    organisation: uint256
    votes: uint256
    needed: uint256

event Accepted:
    proposal: indexed(uint256)

event Joined:
    proposal: indexed(uint256)
    organisation: uint256
    node: uint256

event NodeChanged:
    node: indexed(uint256)
    status: uint256
    since: uint256  # epoch

event EpochEnds:
    epoch: indexed(uint256)
    height: uint256  # its last block

window: public(uint256)
epoch: public(uint256)
epoch_first: public(uint256)  # its first block
epoch_end: public(uint256)  # its last block, 0 while none is set
set_changes: public(uint256)  # validators that come or go when it ends

organisation_count: public(uint256)
organisations: public(Organisation[ORGANISATIONS_MAX])
node_count: public(uint256)
nodes: Node[NODES_MAX]
next_nodes: Node[NODES_MAX]
staged: DynArray[uint256, NODES_MAX]
consensus: Consensus
next_consensus: Consensus  # staged unless its view timeout is 0

proposal_count: public(uint256)
proposals: public(HashMap[uint256, Proposal])


# What is in force for the coming block.

@external
@view
def node(index: uint256) -> Node:
    if self._has_ended():
        return self._coming(index)
    return self.nodes[index]


@external
@view
def comingNode(index: uint256) -> Node:
    return self._coming(index)


@external
@view
def consensusInForce() -> Consensus:
    if self._has_ended() and self.next_consensus.view_timeout_ms != 0:
        return self.next_consensus
    return self.consensus


@external
@view
def needed() -> uint256:
    return self._needed()


@external
@view
def votesOf(proposal: uint256) -> uint256:
    return self._count_votes(self.proposals[proposal].votes)


# Proposals: each opens with the proposer's own vote.

@external
def invite(name: String[31], role: String[64], invitee: address, status: uint256, expires_at: uint256) -> uint256:
    assert status == OBSERVER or status == VALIDATOR, "a new node is an observer, or a validator in time"
    assert invitee != empty(address), "nobody is invited"
    self._check_organisation_name(name)
    proposal: Proposal = empty(Proposal)
    proposal.kind = INVITE
    proposal.status = status
    proposal.name = name
    proposal.role = role
    proposal.invitee = invitee
    return self._open(proposal, expires_at)


@external
def removeOrganisation(organisation: uint256, expires_at: uint256) -> uint256:
    proposal: Proposal = empty(Proposal)
    proposal.kind = REMOVE_ORGANISATION
    proposal.subject = organisation
    return self._open(proposal, expires_at)


@external
def setStatus(node: uint256, status: uint256, expires_at: uint256) -> uint256:
    assert status == OBSERVER or status == VALIDATOR or status == REMOVED, "no such status"
    proposal: Proposal = empty(Proposal)
    proposal.kind = SET_STATUS
    proposal.subject = node
    proposal.status = status
    return self._open(proposal, expires_at)


@external
def setConsensus(consensus: Consensus, expires_at: uint256) -> uint256:
    assert consensus.view_timeout_ms >= 100 and consensus.view_timeout_ms <= 600_000, "view timeout: 100 to 600000 ms"
    assert consensus.block_interval_ms >= 1 and consensus.block_interval_ms <= 60_000, "block interval: 1 to 60000 ms"
    proposal: Proposal = empty(Proposal)
    proposal.kind = SET_CONSENSUS
    proposal.consensus = consensus
    return self._open(proposal, expires_at)


@external
def approve(proposal: uint256):
    assert self.proposals[proposal].state == OPEN, "the proposal is not open"
    assert block.timestamp <= self.proposals[proposal].expires_at, "the proposal has expired"
    self._roll()
    self._vote(proposal, self._voter())


# What an organisation does by itself.

@external
def join(
    proposal: uint256,
    account: address,
    authority: Bytes[1024],
    name: String[31],
    public_key: Bytes[64],
    proof_v: uint256,
    proof_r: uint256,
    proof_s: uint256,
    certificate: bytes32,
    endpoint: String[260],
) -> uint256:
    """
    @notice Complete an invitation: the new organisation, and its first node as an observer. Once, by the invitee.
    @param account Votes for the organisation from now on.
    @param public_key The node's consensus key, uncompressed, with its signature over `keyDigest(name)`.
    """
    invitation: Proposal = self.proposals[proposal]
    assert invitation.state == ACCEPTED, "the invitation is not accepted, or it was used"
    assert msg.sender == invitation.invitee, "somebody else was invited"
    assert block.timestamp <= invitation.expires_at, "the invitation has expired"
    self._roll()
    self._check_organisation_name(invitation.name)
    self._check_account(account)
    assert len(authority) > 0, "no authority"
    assert self.node_count < NODES_MAX, "no index is left"
    organisation: uint256 = self.organisation_count
    self.organisations[organisation] = Organisation(
        name=invitation.name, role=invitation.role, authority=authority, account=account, active=True
    )
    self.organisation_count = organisation + 1
    index: uint256 = self.node_count
    self._check_node(index, name, certificate)
    key: Bytes[33] = self._checked_key(index, name, public_key, proof_v, proof_r, proof_s)
    self.node_count = index + 1
    self._stage(
        index,
        Node(
            name=name,
            organisation=organisation,
            key=key,
            account=self._account_of(public_key),
            certificate=certificate,
            endpoint=endpoint,
            status=OBSERVER,
            since=0,
            promised=invitation.status == VALIDATOR,
        ),
    )
    self.proposals[proposal].state = DONE
    log Joined(proposal=proposal, organisation=organisation, node=index)
    return index


@external
def activate(index: uint256):
    """
    @notice A node that was promised a vote asks for it, once it is an observer and has caught up.
    """
    self._roll()
    node: Node = self._own_node(index)
    assert node.promised, "its organisation was not promised a validator: propose one"
    assert self.nodes[index].status == OBSERVER and node.status == OBSERVER, "it is no observer yet"
    self._check_set_change(1, 0)
    self._change_status(index, VALIDATOR)


@external
def rotate(
    index: uint256, public_key: Bytes[64], proof_v: uint256, proof_r: uint256, proof_s: uint256, certificate: bytes32
):
    """
    @notice Give a node of one's own another consensus key, another TLS certificate, or both.
    """
    self._roll()
    node: Node = self._own_node(index)
    self._check_node(index, node.name, certificate)
    node.key = self._checked_key(index, node.name, public_key, proof_v, proof_r, proof_s)
    node.certificate = certificate
    self._stage(index, node)


@external
@view
def keyDigest(name: String[31]) -> bytes32:
    return self._key_digest(name)


# Epochs.

@internal
@view
def _has_ended() -> bool:
    """Whether the coming block is of the next epoch; asked by views, which see the latest block."""
    return self.epoch_end != 0 and block.number >= self.epoch_end


@internal
def _roll():
    """Bring the books up to the epoch in which this block stands."""
    if self.epoch_end == 0 or block.number <= self.epoch_end:
        return
    for index: uint256 in self.staged:
        self.nodes[index] = self.next_nodes[index]
        self.next_nodes[index] = empty(Node)
    self.staged = []
    if self.next_consensus.view_timeout_ms != 0:
        self.consensus = self.next_consensus
        self.next_consensus = empty(Consensus)
    self.epoch += 1
    self.epoch_first = self.epoch_end + 1
    self.epoch_end = 0
    self.set_changes = 0


@internal
def _end_epoch():
    if self.epoch_end == 0:
        self.epoch_end = block.number + self.window
        log EpochEnds(epoch=self.epoch, height=self.epoch_end)


@internal
@view
def _coming(index: uint256) -> Node:
    if self.next_nodes[index].status != 0:
        return self.next_nodes[index]
    return self.nodes[index]


@internal
def _stage(index: uint256, changed: Node):
    node: Node = changed
    node.since = self.epoch + 1
    if self.next_nodes[index].status == 0:
        self.staged.append(index)
    self.next_nodes[index] = node
    self._end_epoch()
    log NodeChanged(node=index, status=node.status, since=node.since)


# Votes.

@internal
@view
def _voter() -> uint256:
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        if self.organisations[index].account == msg.sender and self.organisations[index].active:
            return index
    raise "no organisation votes by this account"


@internal
@view
def _count_active() -> uint256:
    count: uint256 = 0
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        if self.organisations[index].active:
            count += 1
    return count


@internal
@view
def _needed() -> uint256:
    """The least number that is more than two thirds of the organisations."""
    return 2 * self._count_active() // 3 + 1


@internal
@view
def _count_votes(votes: uint256) -> uint256:
    """Votes of organisations that have left since count no more."""
    count: uint256 = 0
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        if (votes >> index) & 1 == 1 and self.organisations[index].active:
            count += 1
    return count


@internal
def _open(proposal: Proposal, expires_at: uint256) -> uint256:
    assert expires_at > block.timestamp and expires_at <= block.timestamp + EXPIRY_MAX, "it expires within 30 days"
    self._roll()
    voter: uint256 = self._voter()
    opened: Proposal = proposal
    opened.state = OPEN
    opened.proposer = voter
    opened.expires_at = expires_at
    self._check(opened)
    number: uint256 = self.proposal_count + 1
    self.proposal_count = number
    self.proposals[number] = opened
    log Opened(proposal=number, kind=opened.kind, proposer=voter)
    self._vote(number, voter)
    return number


@internal
def _vote(number: uint256, voter: uint256):
    bit: uint256 = 1 << voter
    votes: uint256 = self.proposals[number].votes
    assert votes & bit == 0, "this organisation has voted"
    self.proposals[number].votes = votes | bit
    count: uint256 = self._count_votes(votes | bit)
    needed: uint256 = self._needed()
    log Approved(proposal=number, organisation=voter, votes=count, needed=needed)
    if count >= needed:
        self._accept(number)


@internal
def _accept(number: uint256):
    proposal: Proposal = self.proposals[number]
    self._check(proposal)
    self.proposals[number].state = DONE
    if proposal.kind == INVITE:
        self.proposals[number].state = ACCEPTED
    elif proposal.kind == SET_CONSENSUS:
        self.next_consensus = proposal.consensus
        self._end_epoch()
    elif proposal.kind == SET_STATUS:
        self._change_status(proposal.subject, proposal.status)
    else:
        self.organisations[proposal.subject].active = False
        for index: uint256 in range(self.node_count, bound=NODES_MAX):
            node: Node = self._coming(index)
            if node.organisation == proposal.subject and node.status != REMOVED:
                self._change_status(index, REMOVED)
    log Accepted(proposal=number)


@internal
@view
def _check(proposal: Proposal):
    """What a proposal must hold when it is opened, and again when it is accepted."""
    if proposal.kind == INVITE:
        self._check_organisation_name(proposal.name)
        assert self.organisation_count < ORGANISATIONS_MAX, "no room for another organisation"
    elif proposal.kind == SET_CONSENSUS:
        latest: uint256 = max(self.consensus.protocol, self.next_consensus.protocol)
        assert proposal.consensus.protocol >= latest, "the protocol never goes back"
    elif proposal.kind == REMOVE_ORGANISATION:
        assert self.organisations[proposal.subject].active, "no such organisation"
        assert self._count_active() > 1, "the last organisation stays"
        going: uint256 = 0
        for index: uint256 in range(self.node_count, bound=NODES_MAX):
            node: Node = self._coming(index)
            if node.organisation == proposal.subject and node.status == VALIDATOR:
                going += 1
        self._check_set_change(0, going)
    elif proposal.kind == SET_STATUS:
        assert proposal.subject < self.node_count, "no such node"
        before: uint256 = self._coming(proposal.subject).status
        assert before != REMOVED, "a removed node never returns"
        assert before != proposal.status, "the node is that already"
        assert self.nodes[proposal.subject].status != 0, "the node has not joined yet"
        self._check_set_change(
            1 if proposal.status == VALIDATOR else 0, 1 if before == VALIDATOR else 0
        )


@internal
def _change_status(index: uint256, status: uint256):
    node: Node = self._coming(index)
    if (node.status == VALIDATOR) != (status == VALIDATOR):
        self.set_changes += 1
    node.status = status
    node.promised = False
    self._stage(index, node)


# What would not be safe.

@internal
@view
def _check_set_change(coming: uint256, going: uint256):
    """
    @dev A set that tolerates a faulty validator is never reduced to one that tolerates none, the last validator stays,
         and at most as many come and go in one epoch as may be faulty in it, one where none may.
    """
    if coming + going == 0:
        return
    before: uint256 = 0
    after: uint256 = coming
    for index: uint256 in range(self.node_count, bound=NODES_MAX):
        if self.nodes[index].status == VALIDATOR:
            before += 1
        if self._coming(index).status == VALIDATOR:
            after += 1
    after -= going
    assert after > 0, "the last validator stays"
    assert before < FAULT_TOLERANT or after >= FAULT_TOLERANT, "fewer than four validators tolerate no faulty one"
    limit: uint256 = max((before - 1) // 3, 1)
    assert self.set_changes + coming + going <= limit, "too many validators change in one epoch: wait for its end"


# What must be one's own, and unlike all others'.

@internal
@view
def _own_node(index: uint256) -> Node:
    assert index < self.node_count, "no such node"
    node: Node = self._coming(index)
    assert node.organisation == self._voter(), "the node is another organisation's"
    assert node.status != REMOVED, "the node was removed"
    return node


@internal
@view
def _check_organisation_name(name: String[31]):
    assert len(name) > 0, "an organisation needs a name"
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        assert self.organisations[index].name != name, "an organisation has this name"


@internal
@view
def _check_account(account: address):
    assert account != empty(address), "an organisation needs an account"
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        assert self.organisations[index].account != account, "an organisation votes by this account"


@internal
@view
def _check_node(own: uint256, name: String[31], certificate: bytes32):
    assert len(name) > 0, "a node needs a name"
    assert certificate != empty(bytes32), "a node needs a certificate"
    for index: uint256 in range(self.node_count, bound=NODES_MAX):
        if index != own:
            node: Node = self._coming(index)
            assert node.name != name, "a node has this name"
            assert node.certificate != certificate, "a node has this certificate"


@internal
@view
def _checked_key(
    own: uint256, name: String[31], public_key: Bytes[64], v: uint256, r: uint256, s: uint256
) -> Bytes[33]:
    """The compressed form of a key whose holder has signed for this node; the signature also shows that it is one."""
    assert len(public_key) == 64, "a public key has 64 bytes"
    account: address = self._account_of(public_key)
    assert ecrecover(self._key_digest(name), v, r, s) == account, "the key's signature does not hold"
    odd: bool = convert(slice(public_key, 32, 32), uint256) & 1 == 1
    first: Bytes[1] = x"03" if odd else x"02"
    key: Bytes[33] = concat(first, slice(public_key, 0, 32))
    for index: uint256 in range(self.node_count, bound=NODES_MAX):
        if index != own:
            assert self._coming(index).key != key, "a node has this key"
    return key


@internal
@pure
def _account_of(public_key: Bytes[64]) -> address:
    return convert(slice(keccak256(public_key), 12, 20), address)


@internal
@view
def _key_digest(name: String[31]) -> bytes32:
    """What a node's key signs: this alliance, this contract, this node."""
    return keccak256(
        concat(
            b"hansa/membership/key/1", convert(chain.id, bytes32), convert(self, bytes32), keccak256(name)
        )
    )
