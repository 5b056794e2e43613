# pyzeebe compares annotations as they are, so its users cannot postpone them: no "from __future__ import annotations" here.
"""The project's tasks: each way to take arguments, to return and to fail."""

import threading
from typing import Any

from pyzeebe import Job, JobController, ZeebeTaskRouter
from pyzeebe.errors import BusinessError

from tests.data.pyzeebe_project.decorators import JOURNAL, broken, enrich, note_end, note_start


class NoCoverError(Exception):
    """A failure of the project's own."""


async def on_error(exception: Exception, job: Job, job_controller: JobController) -> None:
    """The router's handler."""
    JOURNAL.append(f"{job.type}: {type(exception).__name__}")
    if isinstance(exception, NoCoverError):
        await job_controller.set_error_status(str(exception), error_code="NO_COVER", variables={"searched": job.variables["number"]})
    elif isinstance(exception, BusinessError):
        await job_controller.set_error_status("by the book", error_code=exception.error_code)
    else:
        await job_controller.set_failure_status(f"{job.type} failed: {exception}", retry_back_off_ms=1, variables={"try": job.retries})


async def carry_on(exception: Exception, job: Job, job_controller: JobController) -> None:
    """Take the failure for a result."""
    await job_controller.set_success_status(variables={"partner": f"unknown ({exception})"})


router = ZeebeTaskRouter(before=[note_start], after=[note_end], exception_handler=on_error)
plain = ZeebeTaskRouter()


@router.task("register", single_value=True, variable_name="claim_number")
async def register(claim: dict[str, Any]) -> str:
    return f"CLM-{claim['id']:06}"


@router.task("score", timeout_ms=5_000, max_jobs_to_activate=2, max_running_jobs=4)
def score(amount: float, factor: int = 2) -> dict[str, Any]:
    assert threading.current_thread() is not threading.main_thread()
    return {"score": amount * factor, "by_year": {2024: 1}, "pair": (1, "two")}


@router.task("notify", variables_to_fetch=["email"])
async def notify(email: str, job: Job) -> dict[str, Any]:
    return {"sent": f"{email} by {job.custom_headers['channel']}", "seen": sorted(job.variables)}


@router.task("job-only")
async def job_only(job: Job) -> dict[str, Any]:
    return {"keys": sorted(job.variables), "where": job.element_id}


@router.task("audit")
async def audit(**variables: Any) -> dict[str, Any]:
    return {"audited": sorted(variables)}


@router.task("both", before=[enrich], after=[broken])
async def both(number: str, region: str, job: Job) -> dict[str, Any]:
    return {"where": f"{number}/{region}/{job.element_id}/{job.retries}"}


@router.task("nothing")
async def nothing() -> None:
    return None


@router.task("unhappy-start", before=[broken])
def unhappy_start(number: str) -> dict[str, str]:
    return {"number": number.lower()}


@router.task("no-cover")
async def no_cover(number: str) -> dict[str, str]:
    raise NoCoverError(f"nothing for {number}")


@router.task("flaky")
def flaky(number: str) -> dict[str, str]:
    raise ConnectionError(f"policy system away for {number}")


@router.task("partner", exception_handler=carry_on)
async def partner(number: str) -> dict[str, str]:
    raise LookupError(number)


@plain.task("declined")
async def declined(number: str) -> dict[str, str]:
    raise BusinessError("NO_COVER")


@plain.task("raised")
async def raised(number: str) -> dict[str, str]:
    raise ValueError(f"not a number: {number}")


@plain.task("uncaught")
async def uncaught() -> dict[str, str]:
    raise BusinessError("NOBODY_CATCHES_THIS")
