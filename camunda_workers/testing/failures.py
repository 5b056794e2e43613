"""What a test sees when something is not as it expected; every text carries the instance's story."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ExpectationFailed(AssertionError):
    """The process did not do what the test expects.

    Attributes:
        expected: the expectation in one line; the whole text adds what is the case and the story so far.
    """

    def __init__(self, expected: str, text: str) -> None:
        super().__init__(text)
        self.expected = expected


class UnknownName(ExpectationFailed):
    """The test names an element, a process, a job type ... that the deployed diagrams do not have."""


def is_expectation(raised: Any) -> bool:
    """For ``__tracebackhide__``: pytest shows the test's own line, not ours, when an expectation fails."""
    return bool(raised.errisinstance(ExpectationFailed))


def near(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Names that look like this one, the nearest first."""
    folded = {one.casefold(): one for one in known}
    wanted = name.casefold()
    close = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=count, cutoff=0.55)]
    inside = [one for key, one in folded.items() if len(wanted) > 2 and (wanted in key or key in wanted)]
    return list(dict.fromkeys([*close, *inside]))[:count]


def listed(names: Iterable[str], last: str = "and") -> str:
    """``'a', 'b' and 'c'``."""
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def unknown(what: str, name: str, place: str, known: Iterable[str]) -> UnknownName:
    """Says that a name is unknown, and what may be meant.

    Args:
        what: the kind of thing: ``element``, ``process`` ...
        name: as the test has it.
        place: where it was looked for, as the end of a sentence.
        known: what there is.
    """
    names = list(known)
    meant = near(name, names)
    if meant:
        hint = f"; did you mean {listed(meant, 'or')}?"
    elif names:
        shown = sorted(names)[:12]
        hint = f"; there are {listed(shown)}" + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")
    else:
        hint = "; nothing is deployed yet: await camunda.deploy(...)"
    text = f"there is no {what} '{name}' in {place}{hint}"
    return UnknownName(text, text)
