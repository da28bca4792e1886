"""What a person can do about a refusal of the membership contract, by the contract's own words."""

from hansa.sdk.errors import RpcFailed

_LIST = "hansa org list shows organisations and nodes"
_PROPOSALS = "hansa proposal list shows what is open"
_NEW_KEYS = "no key of the folder was used yet: remove it, and run the command again"
_WAIT = "an epoch ends by itself within seconds: do it again then"
_VOTER = "say who votes: --as NAME; hansa org list shows the voting accounts"
_SAFE = "let another validator join first"
_BUG = "report this: the command line should not have sent it"

NEXT_STEPS = {
    "a new node is an observer, or a validator in time": _BUG,
    "a node has this certificate, or had it": _NEW_KEYS,
    "a node has this key, or had it": _NEW_KEYS,
    "a node has this name, or had it": "choose another name; a node's name is never given again",
    "a node needs a certificate": _BUG,
    "a node needs a name": "name it",
    "a public key has 64 bytes": _BUG,
    "a removed node never returns": "add another one in its place",
    "an epoch has at most a hundred validators": "let it stay an observer, or let a validator become one first",
    "an organisation has this name": "choose another name; an organisation's name is never given again",
    "an organisation needs a name": "name it",
    "an organisation needs an account": "choose an account: hansa account new NAME",
    "an organisation votes by this account": "choose an account of its own: hansa account new NAME",
    "an organisation with four nodes adds none": "propose to remove one first: hansa proposal node NAME removed",
    "block interval: 1 to 60000 ms": "choose a value between them",
    "fewer than four validators tolerate no faulty one": _SAFE,
    "it expires within 30 days": "choose 1 to 720 hours: --hours",
    "it has these keys": _BUG,
    "it is no observer yet": _WAIT,
    "its keys change in this epoch already": _WAIT,
    "its keys have changed eight times today": "do it again tomorrow (UTC)",
    "its organisation was not promised a validator: propose one": "hansa proposal node NAME validator",
    "no authority": _BUG,
    "no index is left": "a chain has 256 nodes in its life; found another",
    "no organisation votes by this account": _VOTER,
    "no room for another organisation": "a chain has 128 organisations in its life; found another",
    "no such node": _LIST,
    "no such organisation": _LIST,
    "no such status": _BUG,
    "nobody is invited": _BUG,
    "only the organisation concerned objects": _VOTER,
    "somebody else was invited": "ask the inviting member for an invitation of your own",
    "the invitation has expired": "ask the inviting member for another one",
    "the invitation is not accepted, or it was used": _PROPOSALS,
    "the key's signature does not hold": _BUG,
    "the last organisation stays": "an alliance has at least one organisation",
    "the last validator stays": _SAFE,
    "the node has not joined yet": _WAIT,
    "the node is another organisation's": _VOTER,
    "the node is that already": _LIST,
    "the node was removed": "add another one in its place",
    "the node's name is its organisation's, a hyphen and more": "say ORGANISATION-2, for instance",
    "the organisation concerned has no vote": "the others decide; what it proposes about itself has its vote",
    "the other one may object for a week": "hansa proposal list says until when; approve it once more afterwards",
    "the other one may object for a week: let it expire later": "give it at least 169 hours: --hours 336",
    "the others decide": "only where two organisations are left one may object: talk to the others",
    "the proposal has expired": "propose it again",
    "the proposal is not open": _PROPOSALS,
    "the protocol never goes back": "hansa upgrade status shows the one in force",
    "this organisation has voted": _PROPOSALS,
    "too many nodes change in one epoch: wait for its end": _WAIT,
    "too many validators change in one epoch: wait for its end": _WAIT,
    "view timeout: 100 to 600000 ms": "choose a value between them",
}


def with_next_step(refusal: RpcFailed) -> RpcFailed:
    """The same failure; a refusal of the contract says what to do next."""
    words = refusal.cause.partition('"')[2].rpartition('"')[0]
    if words not in NEXT_STEPS:
        return refusal
    return type(refusal)(refusal.cause, NEXT_STEPS[words], code=refusal.remote_code, **refusal.data)
