"""Letters to claimants and messages to the people who handle claims."""
