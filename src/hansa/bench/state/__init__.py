"""What a large state costs beside the blocks: checkpoints under load, and the way back to voting after a stop."""
