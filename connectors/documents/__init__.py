"""The document store: what was asked of the claimant, and what came."""
