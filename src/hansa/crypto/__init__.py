"""Keys, digests and signatures, and how keys are kept: `suite` is the door to the native core."""
