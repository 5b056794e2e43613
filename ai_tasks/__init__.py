"""AI tasks of the reference application, one folder each."""
