"""Policy administration: who is covered, since when, for how much."""
