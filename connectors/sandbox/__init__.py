"""A real small server that plays the systems of record, the claims it runs on, and the people who work on them.

* ``server.py``, ``systems.py``, ``store.py``, ``faults.py``: four HTTP systems over one SQLite file, which can be told to be slow, fail or lie.
* ``dataset.py``, ``data/``: 1,000 motor claims, openly published; ``data/PROVENANCE.md`` says what was added.
* ``people.py``, ``office.py``: scripted caseworkers and claimants, acting through the same public API as real ones.
* ``demo.py``: all of it together.

``python -m connectors.sandbox`` serves it until interrupted.
"""
