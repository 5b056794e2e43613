"""The handlers of the inbox's pages: each reads, asks the task service, and renders."""
