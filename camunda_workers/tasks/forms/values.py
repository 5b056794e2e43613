"""One value and its field: the right type, and within the field's own rules (form-js's ``Validator``)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, cast

from camunda_workers.tasks.forms.feel import FeelEvaluator
from camunda_workers.tasks.forms.options import among, options_of
from camunda_workers.tasks.forms.patterns import EMAIL, PHONE, found_in
from camunda_workers.tasks.forms.schema import CHOICES, SEVERAL, Field, is_expression

NOT_A_TEXT: Final = "must be a text"
_TIME: Final = re.compile(r"(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_ZONES: Final[Mapping[str, str]] = {"utc_normalized": "Z", "utc_offset": "an offset like +02:00"}
LONGEST_TEXT: Final = 1_000_000
_EARLIEST_ZONE: Final = timedelta(hours=-12)
_PRECISE: Final = Context(prec=2100)


def is_empty(value: object) -> bool:
    """Whether form-js takes this for "nothing entered"."""
    return value is None or value == "" or value == []


def type_problem(field: Field, value: object) -> str | None:
    """What is wrong with a value's type, if anything is; nothing entered is fine here."""
    if value is None:
        return None
    if field.type in ("textfield", "textarea"):
        return _text_problem(field, value)
    if field.type == "number":
        return _number_problem(field, value)
    if field.type == "checkbox":
        return None if isinstance(value, bool) else "must be true or false"
    if field.type == "datetime":
        return None if value == "" else _moment_problem(field, value)
    if field.type in SEVERAL:
        return None if isinstance(value, list) else "must be a list"
    if field.type == "filepicker":
        return None if isinstance(value, list) else "must be a list of documents"
    return None


def _text_problem(field: Field, value: object) -> str | None:
    if not isinstance(value, str):
        return NOT_A_TEXT
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        return "has half a character in it: enter it again"
    if len(value) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT} characters"
    if field.type == "textfield" and re.search(r"[\r\n]", value):
        return "must be one line"
    return None


def _number_problem(field: Field, value: object) -> str | None:
    as_text = bool(field.raw.get("serializeToString"))
    if as_text:
        if not isinstance(value, str) or (value != "" and _decimal(value) is None):
            return "must be a number, written as text"
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a number"
    return None


def _moment_problem(field: Field, value: object) -> str | None:
    if not isinstance(value, str):
        return NOT_A_TEXT
    subtype, zone = field.raw.get("subtype"), str(field.raw.get("timeSerializingFormat") or "no_timezone")
    if subtype == "date":
        return None if _date(value) else "must be a date like 2026-01-31"
    if subtype == "time":
        return _time_problem(value, zone)
    day, _, clock = value.partition("T")
    if not _date(day) or not clock:
        return "must be a date and time like 2026-01-31T13:45"
    return _time_problem(clock, zone)


def _time_problem(value: str, zone: str) -> str | None:
    found = _TIME.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        time(int(found[1]), int(found[2]))
    except ValueError:
        return "must be a time like 13:45"
    given = found[3] or ""
    fits = given == "Z" if zone == "utc_normalized" else given not in ("", "Z") if zone == "utc_offset" else not given
    if zone == "utc_offset" and given == "Z":
        fits = True  # the offset of UTC itself
    return None if fits else f"must be a time with {_ZONES.get(zone, 'no time zone')}"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        return None


def rule_problems(field: Field, value: Any, context: Mapping[str, Any], feel: FeelEvaluator, now: datetime) -> Iterator[str]:
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
        yield "is required"
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
            yield "must not be in the past"


def _limit(field: Field, name: str, context: Mapping[str, Any], feel: FeelEvaluator) -> Any:
    given = field.rules.get(name)
    return feel.evaluate(str(given), context) if is_expression(given) else given


def _number_rules(field: Field, value: object, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[str]:
    number = _decimal(value)
    if number is None:
        yield "is out of range"
        return
    digits = field.raw.get("decimalDigits")
    if isinstance(digits, int) and not isinstance(digits, bool) and digits >= 0 and _decimals(number) > digits:
        yield "must be a whole number" if digits == 0 else f"may have {digits} decimal {'digit' if digits == 1 else 'digits'} at most"
    step = _decimal(field.raw.get("increment"))
    offset = _PRECISE.remainder(number, step) if step else Decimal(0)
    if step and offset:
        below = _PRECISE.subtract(number, offset)
        yield f"must be a multiple of {step}: the nearest are {below} and {below + step}"
    for name, word in (("min", "at least"), ("max", "at most")):
        if field.rules.get(name) is None:
            continue
        limit = _decimal(_limit(field, name, context, feel))
        if limit is None:
            yield f"cannot be checked: its {name} is not a number now"
        elif number < limit if name == "min" else number > limit:
            yield f"must be {word} {limit}"


def _text_rules(field: Field, value: str, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[str]:
    rules = field.rules
    # JavaScript counts UTF-16 units.
    length = len(value.strip().encode("utf-16-le", "surrogatepass")) // 2
    for name, word in (("minLength", "at least"), ("maxLength", "at most")):
        if rules.get(name) is None:
            continue
        limit = _decimal(_limit(field, name, context, feel))
        if limit is None:
            yield f"cannot be checked: its {name} is not a number now"
        elif length < limit if name == "minLength" else length > limit:
            yield f"must have {word} {limit} characters"
    kind = rules.get("validationType")
    checks = [(rules.get("pattern"), str(rules.get("patternErrorMessage") or f"must match the pattern {rules.get('pattern')}"))]
    checks += [(EMAIL, "must be an email address")] if kind == "email" else []
    checks += [(PHONE, "must be an international phone number, like +4930664040900")] if kind == "phone" else []
    for pattern, message in checks:
        if not pattern:
            continue
        try:
            fits = found_in(str(pattern), value)
        except TimeoutError:
            fits, message = False, "cannot be checked: its pattern takes too long on this text"
        except ValueError as error:
            fits, message = False, f"cannot be checked: its pattern is wrong ({error})"
        if not fits:
            yield message


def _choice_rules(field: Field, value: Any, context: Mapping[str, Any], feel: FeelEvaluator) -> Iterator[str]:
    options = options_of(field, context, feel)
    if field.type not in SEVERAL:
        if not among(value, options):
            yield "must be one of the options"
        return
    chosen = cast("list[object]", value)
    if any(not among(one, options) for one in chosen):
        yield "must be some of the options"
    if any(among(one, chosen[:number]) for number, one in enumerate(chosen)):
        yield "must have each option once only"


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
