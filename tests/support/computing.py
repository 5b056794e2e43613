"""Plain functions that run in processes of their own: at the top of a module, because the process imports them by name."""

from __future__ import annotations

import os
import signal
import time

from pydantic import BaseModel

from camunda_workers import BpmnError, worker


class TooLarge(BpmnError):
    code = "TOO_LARGE"


class Square(BaseModel):
    number: int
    square: int
    process: int


class Unsendable(Exception):
    """Cannot be read again: its constructor wants more than it is given."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("no")


@worker("square", run="process", max_running=2, errors=[TooLarge])
def square(number: int, what: str = "square") -> Square:
    match what:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(3600)
        case "too-large":
            raise TooLarge("no", variables={"number": number})
        case "unsendable":
            raise Unsendable(1, 2)
        case "exit":
            raise SystemExit(3)
        case "value":
            raise ValueError("bad")
        case _:
            pass
    return Square(number=number, square=number * number, process=os.getpid())


@worker("lambda", run="process", max_running=1, result="made")
def makes_something_unsendable() -> object:
    return lambda: None
