"""What makes the log provable: hashes, a Merkle tree, signed checkpoints, and contents that can be erased without breaking any of it."""
