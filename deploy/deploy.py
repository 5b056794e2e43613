"""Deploys what camunda-workers.toml names: run once by docker-compose.yml before the workers start. Unchanged files are no new version."""

from __future__ import annotations

import asyncio

from camunda_workers import Client
from camunda_workers.settings import load_project


async def main() -> None:
    """Deploy, and say what there is now."""
    project = load_project()
    folder = project.path.parent
    async with Client() as client:
        deployed = await client.deploy(*(folder / path for path in project.deploy.paths))
    for process in deployed.processes:
        print(f"{process.bpmn_process_id} version {process.version}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
