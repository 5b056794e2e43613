"""What pages show, computed without I/O."""
