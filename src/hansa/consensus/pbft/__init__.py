"""PBFT-C: chained, pipelined PBFT with explicit COMMIT, and results sealed behind the order.

Names
-----
e epoch (an engine lives in one), v view, h height. n = total weight, t = floor((n-1)/3), q = n - t or more.
W = window, T = timeout. QC(v,h,x) = q PREPAREs. TC(v) = q VIEW-CHANGEs for v or above. Block certificate = q SEALs.

Normal course (4 delays to a client's finality)
-----------------------------------------------
1. leader(v) = f(v, set of e) sends PRE-PREPARE(v,h,B): h <= max(sealed + W, base.h + 1) and
   h <= base.h + term. B names its parent, the base's height, and a sealed block, old enough for slower validators.
2. PREPARE(v,h,x) once B's body and payload are held, its ancestors are held, and x extends the view's base, the block
   PREPAREd at h-1 in v, or a block with QC(v,h-1). The base is fixed by the first PREPARE in v, in the same record.
3. COMMIT(v,h,x) on QC(v,h,x), unless VIEW-CHANGE above v was signed. It counts for all ancestors proposed in v, so a
   lower one is not sent any more. q COMMITs commit x and all its ancestors.
4. Committed blocks are executed in order; SEAL(h, header hash) once h is executed; q SEALs make the block final.

Views
-----
A term's last QC hands over to v+1 without a timeout. Otherwise VIEW-CHANGE(v', highest QC): on timeout, when weight t+1
asks for more, when the leader itself gives up, or when it is caught with two proposals. Any replica assembles TC(v');
the new view extends the highest QC by (view, height) in it. A leader whose base is not sealed proposes at once, empty
if need be. The timer runs only while a block is in flight, or work is pending and the window is open; commits begin it
anew.

Epochs
------
The execution of a block g may schedule the epoch's end, g + W. Blocks up to it are ordinary, and may be empty once g is
sealed; above it only the first block of a view is voted for, never executed. With the certificate of the block at the
end this engine has done its work (`state.next_epoch`), and `epochs.py` makes the next one.

Memory of votes
---------------
A vote is signed, logged with its context (base, proof of the view, highest QC), synced, and only then sent and counted
here. A restarted replica resumes at its marks, asks what a quorum ever saw of its votes, and goes into quarantine if
that is more than it has (`rejoin.py`).

Where this differs from the pages it follows, and why
-----------------------------------------------------
- A VIEW-CHANGE for w counts towards TC(v) for every v <= w (if its QC is of a view below v): it promises more, not
  less. Otherwise restarted replicas in neighbouring views could each lack a quorum for ever.
- "Base not committed" (rules 1.10) is read as "not sealed at the leader": others may lack a commit that the leader saw,
  a seal they can fetch. After a hand-over, where everyone may still COMMIT in the old view, it waits one tick and asks
  for the commit only.
- Blocks beyond sealed + W are proposed only in these two cases (2.1.6 as a rule for voters stays): with short terms
  each
  hand-over would otherwise add one while sealing stands still.
- Every stage calls for help by itself: ordering that runs on must not hide a lost SEAL (seed 2595 of the first
  simulator).
- A leader that sees a lone VIEW-CHANGE for ten seconds gives its view up (and waits twice as long for the same
  validator the next time): the lone one could not vote again before the term's end.
- A replica votes after its restart only when a quorum (itself included) answered what it saw of its votes.

Safety in one paragraph: voters of QC(v,h,x) who PREPARE above h in v do so only on x (S1, rule 2, one base), so QCs of
v form one chain; a committed x was COMMITted by q replicas, which then name it or a descendant in every later
VIEW-CHANGE (S3), so the highest QC of a later TC, and an end-of-term QC, extends x (S4, S5); one base per view (S2)
keeps a replica from voting on two genuine bases.
"""

from hansa.consensus.pbft.machine import Pbft
from hansa.consensus.pbft.rules import Rules

__all__ = ["Pbft", "Rules"]
