"""Where this replica stands, as it tells others."""

from hansa.consensus.messages import Status
from hansa.consensus.pbft.state import PbftState


def get_status(state: PbftState, stalled: bool = False) -> Status:
    """Return what a heartbeat says; `stalled` makes it a call for help."""
    return Status(
        epoch=state.config.epoch,
        view=state.view,
        view_asked=state.view_asked,
        high_qc_view=state.high_qc.view,
        high_qc_height=state.high_qc.height,
        committed_height=state.committed_height,
        sealed_height=state.root.height,
        stalled=stalled,
    )
