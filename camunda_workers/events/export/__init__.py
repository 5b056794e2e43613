"""The log for others: the records themselves with their proofs, tables for a warehouse, and event logs for process mining."""
