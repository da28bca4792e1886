"""A running node as its API sees it.

The Protocol is `hansa.types.ports.NodeView`, so that `hansa.api`, a lower layer, names it without importing this room.
"""

from hansa.types.ports import NodeStatus, NodeView, ValidatorInfo

__all__ = ["NodeStatus", "NodeView", "ValidatorInfo"]
