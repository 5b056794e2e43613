"""One value and its field: the right type, and within the field's own rules (form-js's ``Validator``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, cast

from camunda_workers.tasks.forms.data import is_number
from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.messages import Message, custom, say
from camunda_workers.tasks.forms.options import among, options_of
from camunda_workers.tasks.forms.patterns import EMAIL, PHONE, found_in
from camunda_workers.tasks.forms.schema import CHOICES, SEVERAL, Field, is_expression

_TIME: Final = re.compile(r"(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_ZONES: Final[Mapping[str, str]] = {"utc_normalized": "zone-utc", "utc_offset": "zone-offset"}
LONGEST_TEXT: Final = 1_000_000
_EARLIEST_ZONE: Final = timedelta(hours=-12)
_PRECISE: Final = Context(prec=2100)


def is_empty(value: object) -> bool:
    """Whether form-js takes this for "nothing entered"."""
    return value is None or value == "" or value == []


def type_problem(field: Field, value: object) -> Message | None:
    """What is wrong with a value's type, if anything is; nothing entered is fine here."""
    if value is None:
        return None
    if field.type in ("textfield", "textarea"):
        return _text_problem(field, value)
    if field.type == "number":
        return _number_problem(field, value)
    if field.type == "checkbox":
        return None if isinstance(value, bool) else say("bool")
    if field.type == "datetime":
        return None if value == "" else _moment_problem(field, value)
    if field.type in SEVERAL:
        return None if isinstance(value, list) else say("list")
    if field.type == "filepicker":
        return None if isinstance(value, list) else say("documents")
    return None


def _text_problem(field: Field, value: object) -> Message | None:
    if not isinstance(value, str):
        return say("text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        return say("half")
    if len(value) > LONGEST_TEXT:
        return say("too-long", limit=LONGEST_TEXT)
    if field.type == "textfield" and re.search(r"[\r\n]", value):
        return say("one-line")
    return None


def _number_problem(field: Field, value: object) -> Message | None:
    as_text = bool(field.raw.get("serializeToString"))
    if as_text:
        if not isinstance(value, str) or (value != "" and _decimal(value) is None):
            return say("number-text")
        return None
    return None if is_number(value) else say("number")


def _moment_problem(field: Field, value: object) -> Message | None:
    if not isinstance(value, str):
        return say("text")
    subtype, zone = field.raw.get("subtype"), str(field.raw.get("timeSerializingFormat") or "no_timezone")
    if subtype == "date":
        return None if _date(value) else say("date")
    if subtype == "time":
        return _time_problem(value, zone)
    day, _, clock = value.partition("T")
    if not _date(day) or not clock:
        return say("date-time")
    return _time_problem(clock, zone)


def _time_problem(value: str, zone: str) -> Message | None:
    found = _TIME.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        time(int(found[1]), int(found[2]))
    except ValueError:
        return say("time")
    given = found[3] or ""
    fits = given == "Z" if zone == "utc_normalized" else given not in ("", "Z") if zone == "utc_offset" else not given
    if zone == "utc_offset" and given == "Z":
        fits = True  # the offset of UTC itself
    return None if fits else say(_ZONES.get(zone, "zone-none"))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def rule_problems(field: Field, value: Any, context: Mapping[str, Any], feel: FeelEvaluator, now: datetime) -> Iterator[Message]:
    """What is wrong with a value of the right type, one sentence each.

    Args:
        field: where it was entered.
        value: what was entered.
        context: what the field's expressions see.
        feel: evaluates them.
        now: the time, for fields that take no past date.
    """
    rules = field.rules
    if rules.get("required") and (is_empty(value) or (field.type == "checkbox" and value is False)):
        yield say("required")
    if is_empty(value):
        return
    if field.type == "number":
        yield from _number_rules(field, value, context, feel)
    elif field.type in ("textfield", "textarea"):
        yield from _text_rules(field, str(value), context, feel)
    elif field.type in CHOICES:
        yield from _choice_rules(field, value, context, feel)
    elif field.type == "datetime" and field.raw.get("disallowPassedDates") and field.raw.get("subtype") != "time":
        # Past means past everywhere: the browser decided by the clock and zone of whoever sat there.
        day = _date(str(value)[:10])
        if day is not None and day < (now.astimezone(UTC) + _EARLIEST_ZONE).date():
            yield say("past")


def _limit(field: Field, name: str, context: Mapping[str, Any], feel: FeelEvaluator) -> Any:
    given = field.rules.get(name)
    return feel.evaluate(str(given), context) if is_expression(given) else given


def _number_rules(field: Field, value: object, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[Message]:
    number = _decimal(value)
    if number is None:
        yield say("range")
        return
    digits = field.raw.get("decimalDigits")
    if isinstance(digits, int) and not isinstance(digits, bool) and digits >= 0 and _decimals(number) > digits:
        yield say("whole") if digits == 0 else say("digits", limit=digits)
    step = _decimal(field.raw.get("increment"))
    offset = _PRECISE.remainder(number, step) if step else Decimal(0)
    if step and offset:
        below = _PRECISE.subtract(number, offset)
        yield say("step", step=step, below=below, above=below + step)
    for name in ("min", "max"):
        if field.rules.get(name) is None:
            continue
        limit = _decimal(_limit(field, name, context, feel))
        if limit is None:
            yield say("no-limit", name=name)
        elif number < limit if name == "min" else number > limit:
            yield say(name, limit=limit)


def _text_rules(field: Field, value: str, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[Message]:
    rules = field.rules
    # JavaScript counts UTF-16 units.
    length = len(value.strip().encode("utf-16-le", "surrogatepass")) // 2
    for name in ("minLength", "maxLength"):
        if rules.get(name) is None:
            continue
        limit = _decimal(_limit(field, name, context, feel))
        if limit is None:
            yield say("no-limit", name=name)
        elif length < limit if name == "minLength" else length > limit:
            yield say(name, limit=limit)
    kind = rules.get("validationType")
    own = rules.get("patternErrorMessage")
    checks = [(rules.get("pattern"), custom(str(own)) if own else say("pattern", pattern=rules.get("pattern")))]
    checks += [(EMAIL, say("email"))] if kind == "email" else []
    checks += [(PHONE, say("phone"))] if kind == "phone" else []
    for pattern, message in checks:
        if not pattern:
            continue
        try:
            fits = found_in(str(pattern), value)
        except TimeoutError:
            fits, message = False, say("pattern-slow")
        except ValueError as error:
            fits, message = False, say("pattern-wrong", error=error)
        if not fits:
            yield message


def _choice_rules(field: Field, value: Any, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[Message]:
    options = options_of(field, context, feel)
    if field.type not in SEVERAL:
        if not among(value, options):
            yield say("option")
        return
    chosen = cast("list[object]", value)
    if any(not among(one, options) for one in chosen):
        yield say("options")
    if any(among(one, chosen[:number]) for number, one in enumerate(chosen)):
        yield say("once")


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):
        return None
    # A number of a million digits is no amount; arithmetic on it would be an attack.
    return number if number.is_finite() and abs(number.adjusted()) < 1000 else None


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
