"""Solo: one node that orders, executes and seals at once. For `hansa dev` and tests; it tolerates nothing.

Same inputs and effects as `pbft`: AskProposal, CheckBody, Execute, SignVote(SEAL), Seal. The SEAL vote's context names
the order block, so that a restart between vote and seal goes on with the same block.
"""

from hansa.consensus.solo.machine import Solo

__all__ = ["Solo"]
