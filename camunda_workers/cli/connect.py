"""``camunda-workers connect``: the connection to a Camunda cluster, shown and checked."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from camunda_workers.engine.cluster_check import ConnectionCheck, Finding
    from camunda_workers.settings import ConnectionSettings

app = typer.Typer(help="Show and check the connection to a Camunda cluster.")

_COLOURS = {"works": "green", "fails": "red", "warns": "yellow", "skipped": "dim"}


@app.command()
def connect(
    check: Annotated[bool, typer.Option("--check", help="Try each part of the connection; ends with 1 if workers could not work.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="Seconds each part gets.")] = 5.0,
) -> None:
    """Show which cluster the settings name, and with --check what works: credentials, gRPC, REST, jobs, streaming, user tasks, version.

    Nothing is changed in the cluster. Addresses and credentials come from the environment (ZEEBE_GRPC_ADDRESS, CAMUNDA_REST_ADDRESS,
    CAMUNDA_CLIENT_ID, CAMUNDA_CLIENT_SECRET, CAMUNDA_OAUTH_URL, CAMUNDA_BASIC_AUTH_USERNAME, CAMUNDA_CA_CERTIFICATE_PATH ...).
    """
    # Imported here: the help page does without.
    from rich.console import Console

    from camunda_workers.engine.cluster_check import ConnectionCheck
    from camunda_workers.logs import configure_logging
    from camunda_workers.settings import Settings

    configure_logging("error")
    settings = Settings()
    console = Console(highlight=False, soft_wrap=True)
    target = _target(settings)
    if not as_json:
        for name, value in target.items():
            console.print(f"{name.replace('_', ' '):<16} {value}", markup=False)
    if not check:
        if as_json:
            print(json.dumps(target, indent=2))
        return
    asked = ConnectionCheck(settings, timeout=timeout)
    findings = asyncio.run(_findings(asked, None if as_json else console))
    sys.exit(_told(target, asked, findings, console, as_json=as_json))


def _target(settings: ConnectionSettings) -> dict[str, Any]:
    from camunda_workers.client.channel import parse_target
    from camunda_workers.engine.cluster_check import describe_authentication

    return {
        "grpc_address": settings.grpc_address,
        "grpc_tls": "yes" if parse_target(settings.grpc_address).tls else "no",
        "rest_address": settings.rest_address or "none",
        "authentication": describe_authentication(settings),
        "own_authority": str(settings.ca_certificate or "none"),
        "tenants": ", ".join(settings.tenant_ids) or "the default one",
    }


async def _findings(check: ConnectionCheck, console: Console | None) -> list[Finding]:
    findings: list[Finding] = []
    if console is not None:
        console.print()
    async for finding in check.run():
        findings.append(finding)
        if console is not None:
            console.print(f"{finding.name:<15}[{_COLOURS[finding.state]}]{finding.state:<8}[/]", end="")
            console.print(finding.detail, markup=False)
            if finding.fix:
                console.print(f"{'':<15}→ {finding.fix}", markup=False, style="bold")
    return findings


def _told(target: dict[str, Any], check: ConnectionCheck, findings: list[Finding], console: Console, *, as_json: bool) -> int:
    from camunda_workers.engine.cluster import Feature, features_of
    from camunda_workers.engine.cluster_check import reachable

    features = features_of(check.version) if check.version else dict[Feature, bool]()
    good = reachable(findings)
    if as_json:
        answer = {
            **target,
            "works": good,
            "version": check.version or None,
            "checks": [asdict(finding) for finding in findings],
            "features": {feature.value: there for feature, there in features.items()},
        }
        print(json.dumps(answer, indent=2))
        return 0 if good else 1
    if missing := [feature.value for feature, there in features.items() if not there]:
        console.print(f"\nNot in {check.version}: {', '.join(missing)}.", markup=False)
    console.print("\nWorkers can work here." if good else "\nWorkers cannot work here yet; see what fails.", markup=False)
    return 0 if good else 1
