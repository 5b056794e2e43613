"""Camunda in one folder: the engine's log on disk before a command is acknowledged, its state in snapshots."""
