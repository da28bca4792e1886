"""The simulator: whole alliances in one process, with seeded networks, disks, clocks, crashes and traitors.

It drives the same `hansa.node.replica.Replica` as the real node. A seed decides everything: `hansa sim --seed 7`.
"""
