"""One validator on two nodes: the signer process that holds key and marks, the right to sign, the node that follows."""
