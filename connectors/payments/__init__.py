"""The payments ledger: money out, at most once for each idempotency key, and money back."""
