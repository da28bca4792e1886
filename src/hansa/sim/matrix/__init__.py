"""The fault matrix: every row that a simulator can play, as a named scenario under seeds.

`hansa sim --matrix` runs all of them; docs/reference/fault-matrix.md is generated from its report.
"""

from hansa.sim.matrix.crashes import CRASHES
from hansa.sim.matrix.disks import DISKS
from hansa.sim.matrix.liars import LIARS
from hansa.sim.matrix.members import MEMBERS
from hansa.sim.matrix.networks import NETWORKS
from hansa.sim.matrix.row import Row, make_row_scenario

__all__ = ["ROWS", "Row", "make_row_scenario"]

ROWS: dict[str, Row] = {row.name: row for row in (*CRASHES, *DISKS, *NETWORKS, *LIARS, *MEMBERS)}
