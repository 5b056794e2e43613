"""The letters: which template says what. Pure; rendering has no clock and no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template


@dataclass(frozen=True)
class Letter:
    """A rendered template."""

    subject: str
    text: str


_DECLINED = """Dear $name,

we have looked at your claim of $incident_date ($incident_type) and cannot pay it.
$reason

If you see this differently, write to us: somebody who has not decided this claim will look at it.

Your claims team"""

_WITHDRAWN = """Dear $name,

as you asked, we have closed your claim of $incident_date. If we had already paid, we have taken the payment back.

Your claims team"""

_ESCALATION = """The task '$task' of claim $claim_id ($incident_type, $total_amount dollars) has been waiting for 48 hours
in the group $group. Please see to it that somebody takes it."""

_LETTERS: Mapping[str, tuple[str, str]] = {
    "paid": (
        "Your claim $claim_id is paid",
        "Dear $name,\n\nwe have paid $amount dollars for your claim of $incident_date ($incident_type).\n\nYour claims team",
    ),
    "declined": ("Your claim $claim_id", _DECLINED),
    "not-covered": (
        "Your claim $claim_id is not covered",
        "Dear $name,\n\non $incident_date your policy $policy_number did not cover you.\n$reason\n\nYour claims team",
    ),
    "withdrawn": ("Your claim $claim_id is withdrawn", _WITHDRAWN),
    "reminder": (
        "We still need documents for your claim $claim_id",
        "Dear $name,\n\nto decide your claim of $incident_date we still need: $documents.\n\nYour claims team",
    ),
    "escalation": ("Waiting for 48 hours: $task of claim $claim_id", _ESCALATION),
}

TEMPLATES = frozenset(_LETTERS)
"""The names that :func:`render` knows."""


def render(template: str, values: Mapping[str, object]) -> Letter:
    """Fills in a template. Values are text and stay text: a ``$name`` inside a value is not looked up again.

    Args:
        template: one of :data:`TEMPLATES`.
        values: what the template's names stand for.

    Raises:
        ValueError: no such template, or a value is missing; the text says which.
    """
    if template not in _LETTERS:
        raise ValueError(f"there is no template '{template}': use one of {', '.join(sorted(TEMPLATES))}")
    subject, text = _LETTERS[template]
    try:
        # A subject is a header: a line break in a value must not start another one.
        return Letter(" ".join(Template(subject).substitute(values).split()), Template(text).substitute(values))
    except KeyError as missing:
        raise ValueError(f"template '{template}' needs a value for {missing}") from None
