"""The reference application's service tasks: one package for each system of record.

Every system has a ``client.py`` (a typed asynchronous HTTP client that believes nothing it has not checked) and a ``workers.py`` (the job
workers and their router). ``sandbox/`` is a real small server that plays all four systems, for the demo and the tests.
"""
