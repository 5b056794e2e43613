"""``python -m camunda_workers``: the same as the ``camunda-workers`` script, for systems where scripts are not on the path."""

from __future__ import annotations

from camunda_workers.cli.main import main

if __name__ == "__main__":
    main()
