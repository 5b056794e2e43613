"""How the task store's tables came to be what they are, step by step: Alembic's migrations."""
