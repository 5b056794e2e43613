"""Camunda's JSON test cases: the format of Camunda Process Test, shared with Web Modeler, run unmodified.

The instructions and their fields follow Camunda's published JSON schema (8.9; the earlier test scenarios are a subset of it).
"""
