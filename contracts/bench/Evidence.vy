# pragma version 0.4.3
"""
@title Digests and documents laid down for proof
@license Apache-2.0
@notice Whoever lays a document down proves later when it existed. The first depositor of a digest counts.
"""

event Deposited:
    digest: indexed(bytes32)
    depositor: indexed(address)
    size: uint256

heightOf: public(HashMap[bytes32, uint256])  # digest -> block in which it was laid down


@external
def depositDigest(digest: bytes32):
    self._deposit(digest, 0)


@external
def depositDocument(document: Bytes[65536]):
    self._deposit(keccak256(document), len(document))


@internal
def _deposit(digest: bytes32, size: uint256):
    assert self.heightOf[digest] == 0, "known already"
    self.heightOf[digest] = block.number
    log Deposited(digest=digest, depositor=msg.sender, size=size)
