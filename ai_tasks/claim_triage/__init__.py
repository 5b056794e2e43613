"""The AI task ``triage-claim``; see README.md beside this file."""
