"""Which versions this release understands. Two of them, apart from the release's own number:

link      what nodes say to each other: frames, messages, hello. Each link uses the highest version both ends speak.
protocol  what the chain computes: one `ChainRules` value for each. All members use the same one at a height; a higher
          one becomes active at an epoch boundary, once the members voted for it.

A release speaks at least the link version before its own, so that nodes are renewed one by one.
"""

LINK_MIN = 1  # lowest version of frames and messages that this release still speaks
LINK_MAX = 1  # highest
PROTOCOL_GENESIS = 1  # by which every chain begins
PROTOCOL_MAX = 1  # highest protocol that this release can run; it runs all lower ones


def choose_link(low: int, high: int) -> int | None:
    """The highest link version that this release and a peer of versions `low` to `high` both speak; None: there is
    none."""
    chosen = min(LINK_MAX, high)
    return chosen if chosen >= max(LINK_MIN, low) else None
