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
        A node's index is given once and never again; nor are names, keys and certificates of nodes.
        No call may cost more gas than one transaction has, 2^24, in the largest alliance, the first one of an epoch
        included, which puts in force what was staged.
"""

ORGANISATIONS_MAX: constant(uint256) = 128
NODES_MAX: constant(uint256) = 256
VALIDATORS_MAX: constant(uint256) = 100  # in one epoch, as many as a certificate may have votes
STAGED_MAX: constant(uint256) = 24  # nodes that change in one epoch: one transaction puts them all in force
STAGED_ALONE_MAX: constant(uint256) = 12  # of these, without a vote of others: as many are always left for what is voted
NODES_OF_ONE_MAX: constant(uint256) = 4  # nodes that an organisation may have and still add another
ROTATIONS_MAX: constant(uint256) = 8  # of one node's keys in a day: each may end an epoch, and nodes keep proofs of all
DAY: constant(uint256) = 86_400  # seconds
EXPIRY_MAX: constant(uint256) = 30 * DAY  # seconds that a proposal may stand open
NOTICE: constant(uint256) = 7 * DAY  # seconds in which the other one of two organisations may object
FAULT_TOLERANT: constant(uint256) = 4  # validators: the fewest of which one may fail

# Kinds of proposals.
INVITE: constant(uint256) = 1
REMOVE_ORGANISATION: constant(uint256) = 2
SET_STATUS: constant(uint256) = 3
SET_CONSENSUS: constant(uint256) = 4
SET_ACCOUNT: constant(uint256) = 5

NOBODY: constant(uint256) = max_value(uint256)

# States of proposals.
OPEN: constant(uint256) = 1
ACCEPTED: constant(uint256) = 2  # an invitation that nobody has used yet
DONE: constant(uint256) = 3
REFUSED: constant(uint256) = 4

# What a node is; a copy of status 0 is none.
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
    against: uint256  # the organisation that has no vote, as others propose what becomes of it; or NOBODY
    status: uint256  # SET_STATUS: what the node is to be; INVITE: OBSERVER, or VALIDATOR once it has caught up
    name: String[31]  # INVITE
    role: String[64]  # INVITE
    account: address  # INVITE: may complete it; SET_ACCOUNT: votes from then on
    consensus: Consensus  # SET_CONSENSUS
    votes: uint256  # one bit for each organisation
    opened_at: uint256  # seconds since 1970
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

event Refused:
    proposal: indexed(uint256)

event Joined:
    proposal: indexed(uint256)
    organisation: uint256
    node: uint256

event NodeAdded:
    organisation: indexed(uint256)
    node: uint256

event AccountChanged:
    organisation: indexed(uint256)
    account: address

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
staged: DynArray[uint256, STAGED_MAX]
names_taken: HashMap[bytes32, bool]  # keccak-256 of all names that nodes ever had
keys_taken: HashMap[bytes32, bool]  # keccak-256 of all keys, compressed
certificates_taken: HashMap[bytes32, bool]
consensus: Consensus
next_consensus: Consensus  # staged unless its view timeout is 0

proposal_count: public(uint256)
proposals: public(HashMap[uint256, Proposal])

left_at: uint256  # seconds since 1970: when an organisation was removed last
rotations: HashMap[uint256, HashMap[uint256, uint256]]  # of a node's keys, by day since 1970


# What is in force for the coming block.

@external
@view
def node(index: uint256) -> Node:
    return self._node_in(index, self.epoch + (1 if self._has_ended() else 0))


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
def neededFor(proposal: uint256) -> uint256:
    return self._needed(self.proposals[proposal].against)


@external
@view
def noticeUntil(proposal: uint256) -> uint256:
    """
    @notice Until when the other one of two organisations may object, seconds since 1970; 0 where others decide.
    """
    return self._notice_end(proposal)


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
    proposal.account = invitee
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
def setAccount(organisation: uint256, account: address, expires_at: uint256) -> uint256:
    """
    @notice Propose that an organisation, which lost its key or had it stolen, votes by another account.
    """
    proposal: Proposal = empty(Proposal)
    proposal.kind = SET_ACCOUNT
    proposal.subject = organisation
    proposal.account = account
    return self._open(proposal, expires_at)


@external
def approve(proposal: uint256):
    """
    @notice Vote for a proposal; or have it accepted that needs no more votes, since a notice is over or others left.
    """
    self._check_open(proposal)
    self._roll()
    self._vote(proposal, self._voter())


@external
def object(proposal: uint256):
    """
    @notice Where two organisations are left, one refuses within the notice what the other would do to it.
    """
    self._check_open(proposal)
    against: uint256 = self.proposals[proposal].against
    assert against == self._voter(), "only the organisation concerned objects"
    assert self._count_voters(against) == 1, "the others decide"
    self.proposals[proposal].state = REFUSED
    log Refused(proposal=proposal)


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
    assert msg.sender == invitation.account, "somebody else was invited"
    assert block.timestamp <= invitation.expires_at, "the invitation has expired"
    self._roll()
    self._check_organisation_name(invitation.name)
    self._check_account(account)
    assert len(authority) > 0, "no authority"
    organisation: uint256 = self.organisation_count
    self.organisations[organisation] = Organisation(
        name=invitation.name, role=invitation.role, authority=authority, account=account, active=True
    )
    self.organisation_count = organisation + 1
    node: Node = self._new_node(organisation, name, public_key, proof_v, proof_r, proof_s, certificate, endpoint)
    node.promised = invitation.status == VALIDATOR
    index: uint256 = self._add(node)
    self.proposals[proposal].state = DONE
    log Joined(proposal=proposal, organisation=organisation, node=index)
    return index


@external
def addNode(
    name: String[31],
    public_key: Bytes[64],
    proof_v: uint256,
    proof_r: uint256,
    proof_s: uint256,
    certificate: bytes32,
    endpoint: String[260],
) -> uint256:
    """
    @notice Add another node of one's own, as an observer; the others vote on whether it becomes a validator.
    @param name Begins with the organisation's name and a hyphen, so that nobody takes a name that another expects.
    """
    self._roll()
    organisation: uint256 = self._voter()
    own: String[31] = self.organisations[organisation].name
    assert len(name) > len(own) + 1, "the node's name is its organisation's, a hyphen and more"
    beginning: bytes32 = keccak256(slice(name, 0, len(own) + 1))
    assert beginning == keccak256(concat(own, "-")), "the node's name is its organisation's, a hyphen and more"
    count: uint256 = 0
    for index: uint256 in range(self.node_count, bound=NODES_MAX):
        if self._owner(index) == organisation and self._status(index) != REMOVED:
            count += 1
    assert count < NODES_OF_ONE_MAX, "an organisation with four nodes adds none"
    node: Node = self._new_node(organisation, name, public_key, proof_v, proof_r, proof_s, certificate, endpoint)
    self._check_alone(self.node_count)
    index: uint256 = self._add(node)
    log NodeAdded(organisation=organisation, node=index)
    return index


@external
def activate(index: uint256):
    """
    @notice A node that was promised a vote asks for it, once it is an observer and has caught up.
    """
    self._roll()
    node: Node = self._own_node(index)
    assert node.promised, "its organisation was not promised a validator: propose one"
    assert self._status_in(index, self.epoch) == OBSERVER and node.status == OBSERVER, "it is no observer yet"
    self._check_set_change(1, 0)
    self._change_status(index, VALIDATOR)


@external
def rotate(
    index: uint256, public_key: Bytes[64], proof_v: uint256, proof_r: uint256, proof_s: uint256, certificate: bytes32
):
    """
    @notice Give a node of one's own another consensus key, another TLS certificate, or both; once in an epoch,
            eight times in a day.
    """
    self._roll()
    node: Node = self._own_node(index)
    current: Node = self._node_in(index, self.epoch)
    assert current.status != 0, "the node has not joined yet"
    assert node.key == current.key and node.certificate == current.certificate, "its keys change in this epoch already"
    day: uint256 = block.timestamp // DAY
    assert self.rotations[index][day] < ROTATIONS_MAX, "its keys have changed eight times today"
    self.rotations[index][day] += 1
    node.key = self._proven_key(node.name, public_key, proof_v, proof_r, proof_s)
    node.certificate = certificate
    assert node.key != current.key or node.certificate != current.certificate, "it has these keys"
    if node.key != current.key:
        self._take_key(node.key)
    if node.certificate != current.certificate:
        self._take_certificate(node.certificate)
    self._check_alone(index)
    self._stage(index, node)


@external
def changeAccount(account: address):
    """
    @notice Let an organisation vote by another account from now on; its present account says so.
    """
    self._change_account(self._voter(), account)


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
        self.next_nodes[index].status = 0  # the rest may lie there: it would cost gas to clear it
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
def _stage(index: uint256, changed: Node):
    """Let a node be this from the next epoch on, in place of the copy that does not hold in this one."""
    node: Node = changed
    node.since = self.epoch + 1
    if self.next_nodes[index].status == 0:
        assert len(self.staged) < STAGED_MAX, "too many nodes change in one epoch: wait for its end"
        self.staged.append(index)
    self.next_nodes[index] = node
    self._end_epoch()
    log NodeChanged(node=index, status=node.status, since=node.since)


@internal
@view
def _check_alone(index: uint256):
    """Whether an organisation may change another node by itself; asked where the node is not staged yet."""
    if self.next_nodes[index].status == 0:
        assert len(self.staged) < STAGED_ALONE_MAX, "too many nodes change in one epoch: wait for its end"


# A node in force, and as it will be.

@internal
@view
def _copy_in(index: uint256, epoch: uint256) -> uint256:
    """Which copy of a node holds in an epoch: 1 in `nodes`, 2 in `next_nodes`, 0 for a node that is not there yet."""
    if epoch > self.epoch and self.next_nodes[index].status != 0:
        return 2
    return 1 if self.nodes[index].status != 0 else 0


@internal
@view
def _node_in(index: uint256, epoch: uint256) -> Node:
    copy: uint256 = self._copy_in(index, epoch)
    if copy == 1:
        return self.nodes[index]
    if copy == 2:
        return self.next_nodes[index]
    return empty(Node)


@internal
@view
def _status_in(index: uint256, epoch: uint256) -> uint256:
    copy: uint256 = self._copy_in(index, epoch)
    if copy == 0:
        return 0
    return self.nodes[index].status if copy == 1 else self.next_nodes[index].status


@internal
@view
def _coming(index: uint256) -> Node:
    """A node as it will be in the next epoch."""
    return self._node_in(index, max_value(uint256))


@internal
@view
def _status(index: uint256) -> uint256:
    """What a node will be in the next epoch."""
    return self._status_in(index, max_value(uint256))


@internal
@view
def _owner(index: uint256) -> uint256:
    """The organisation of a node; it never changes."""
    copy: uint256 = self._copy_in(index, max_value(uint256))
    return self.nodes[index].organisation if copy == 1 else self.next_nodes[index].organisation


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
def _count_voters(against: uint256) -> uint256:
    """Organisations that vote where one has no vote."""
    count: uint256 = 0
    for index: uint256 in range(self.organisation_count, bound=ORGANISATIONS_MAX):
        if index != against and self.organisations[index].active:
            count += 1
    return count


@internal
@view
def _needed(against: uint256) -> uint256:
    """The least number that is more than two thirds of those who vote."""
    return 2 * self._count_voters(against) // 3 + 1


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
    opened.against = NOBODY
    opened.opened_at = block.timestamp
    opened.expires_at = expires_at
    self._check(opened)
    subject: uint256 = self._organisation_of(opened)
    if subject != voter:
        opened.against = subject
    if opened.against != NOBODY and self._count_voters(opened.against) == 1:
        assert expires_at > block.timestamp + NOTICE, "the other one may object for a week: let it expire later"
    number: uint256 = self.proposal_count + 1
    self.proposal_count = number
    self.proposals[number] = opened
    log Opened(proposal=number, kind=opened.kind, proposer=voter)
    self._vote(number, voter)
    return number


@internal
@view
def _organisation_of(proposal: Proposal) -> uint256:
    """Whose affair a proposal is; NOBODY where it is everybody's."""
    if proposal.kind == REMOVE_ORGANISATION or proposal.kind == SET_ACCOUNT:
        return proposal.subject
    if proposal.kind == SET_STATUS:
        return self._owner(proposal.subject)
    return NOBODY


@internal
def _vote(number: uint256, voter: uint256):
    """
    @dev Others decide what becomes of an organisation. Where there is only one other, its word alone would be enough:
         it waits until the notice is over.
    """
    against: uint256 = self.proposals[number].against
    assert voter != against, "the organisation concerned has no vote"
    bit: uint256 = 1 << voter
    before: uint256 = self.proposals[number].votes
    self.proposals[number].votes = before | bit
    count: uint256 = self._count_votes(before | bit)
    needed: uint256 = self._needed(against)
    is_noticed: bool = block.timestamp >= self._notice_end(number)
    if before & bit != 0:
        assert count >= needed, "this organisation has voted"
        assert is_noticed, "the other one may object for a week"
    log Approved(proposal=number, organisation=voter, votes=count, needed=needed)
    if count >= needed and is_noticed:
        self._accept(number)


@internal
@view
def _notice_end(number: uint256) -> uint256:
    """
    @dev The notice of a proposal that was opened while there were more than two begins when the others have left: only
         from then on may the other one object.
    """
    against: uint256 = self.proposals[number].against
    if against == NOBODY or self._count_voters(against) != 1:
        return 0
    return max(self.proposals[number].opened_at, self.left_at) + NOTICE


@internal
@view
def _check_open(number: uint256):
    assert self.proposals[number].state == OPEN, "the proposal is not open"
    assert block.timestamp <= self.proposals[number].expires_at, "the proposal has expired"


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
    elif proposal.kind == SET_ACCOUNT:
        self._change_account(proposal.subject, proposal.account)
    else:
        self.organisations[proposal.subject].active = False
        self.left_at = block.timestamp
        for index: uint256 in range(self.node_count, bound=NODES_MAX):
            if self._owner(index) == proposal.subject and self._status(index) != REMOVED:
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
        self._check_organisation(proposal.subject)
        assert self._count_voters(NOBODY) > 1, "the last organisation stays"
        going: uint256 = 0
        for index: uint256 in range(self.node_count, bound=NODES_MAX):
            if self._owner(index) == proposal.subject and self._status(index) == VALIDATOR:
                going += 1
        self._check_set_change(0, going)
    elif proposal.kind == SET_ACCOUNT:
        self._check_organisation(proposal.subject)
        self._check_account(proposal.account)
    elif proposal.kind == SET_STATUS:
        assert proposal.subject < self.node_count, "no such node"
        before: uint256 = self._status(proposal.subject)
        assert before != REMOVED, "a removed node never returns"
        assert before != proposal.status, "the node is that already"
        assert self._status_in(proposal.subject, self.epoch) != 0, "the node has not joined yet"
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


@internal
def _change_account(organisation: uint256, account: address):
    self._check_account(account)
    self.organisations[organisation].account = account
    log AccountChanged(organisation=organisation, account=account)


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
        if self._status_in(index, self.epoch) == VALIDATOR:
            before += 1
        if self._status(index) == VALIDATOR:
            after += 1
    after -= going
    assert after > 0, "the last validator stays"
    assert after <= VALIDATORS_MAX or coming == 0, "an epoch has at most a hundred validators"
    assert before < FAULT_TOLERANT or after >= FAULT_TOLERANT, "fewer than four validators tolerate no faulty one"
    limit: uint256 = max((before - 1) // 3, 1)
    assert self.set_changes + coming + going <= limit, "too many validators change in one epoch: wait for its end"


# A node that joins.

@internal
@view
def _new_node(
    organisation: uint256,
    name: String[31],
    public_key: Bytes[64],
    v: uint256,
    r: uint256,
    s: uint256,
    certificate: bytes32,
    endpoint: String[260],
) -> Node:
    assert self.node_count < NODES_MAX, "no index is left"
    assert len(name) > 0, "a node needs a name"
    return Node(
        name=name,
        organisation=organisation,
        key=self._proven_key(name, public_key, v, r, s),
        account=self._account_of(public_key),
        certificate=certificate,
        endpoint=endpoint,
        status=OBSERVER,
        since=0,
        promised=False,
    )


@internal
def _add(node: Node) -> uint256:
    """Give a new node its index, which there is, and all that is its own."""
    index: uint256 = self.node_count
    name: bytes32 = keccak256(node.name)
    assert not self.names_taken[name], "a node has this name, or had it"
    self.names_taken[name] = True
    self._take_key(node.key)
    self._take_certificate(node.certificate)
    self.node_count = index + 1
    self._stage(index, node)
    return index


# What must be one's own, and unlike all others'.

@internal
def _take_key(key: Bytes[33]):
    digest: bytes32 = keccak256(key)
    assert not self.keys_taken[digest], "a node has this key, or had it"
    self.keys_taken[digest] = True


@internal
def _take_certificate(certificate: bytes32):
    assert certificate != empty(bytes32), "a node needs a certificate"
    assert not self.certificates_taken[certificate], "a node has this certificate, or had it"
    self.certificates_taken[certificate] = True


@internal
@view
def _check_organisation(organisation: uint256):
    assert organisation < self.organisation_count and self.organisations[organisation].active, "no such organisation"


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
def _proven_key(name: String[31], public_key: Bytes[64], v: uint256, r: uint256, s: uint256) -> Bytes[33]:
    """The compressed form of a key whose holder has signed for this node; the signature also shows that it is one."""
    assert len(public_key) == 64, "a public key has 64 bytes"
    account: address = self._account_of(public_key)
    assert ecrecover(self._key_digest(name), v, r, s) == account, "the key's signature does not hold"
    odd: bool = convert(slice(public_key, 32, 32), uint256) & 1 == 1
    first: Bytes[1] = x"03" if odd else x"02"
    return concat(first, slice(public_key, 0, 32))


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
