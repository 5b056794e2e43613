"""What is said beside a field that is filled in wrongly, in each language. Another language is one more column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {"en": "must be a text", "de": "muss ein Text sein"},
    "bool": {"en": "must be true or false", "de": "muss ja oder nein sein"},
    "list": {"en": "must be a list", "de": "muss eine Liste sein"},
    "documents": {"en": "must be a list of documents", "de": "muss eine Liste von Dokumenten sein"},
    "half": {"en": "has half a character in it: enter it again", "de": "enthält ein halbes Zeichen: bitte neu eingeben"},
    "too-long": {"en": "is longer than {limit} characters", "de": "ist länger als {limit} Zeichen"},
    "one-line": {"en": "must be one line", "de": "muss eine Zeile sein"},
    "number-text": {"en": "must be a number, written as text", "de": "muss eine Zahl sein, als Text geschrieben"},
    "number": {"en": "must be a number", "de": "muss eine Zahl sein"},
    "date": {"en": "must be a date like 2026-01-31", "de": "muss ein Datum wie 2026-01-31 sein"},
    "date-time": {"en": "must be a date and time like 2026-01-31T13:45", "de": "muss Datum und Uhrzeit wie 2026-01-31T13:45 sein"},
    "time": {"en": "must be a time like 13:45", "de": "muss eine Uhrzeit wie 13:45 sein"},
    "zone-utc": {"en": "must be a time with Z", "de": "muss eine Uhrzeit mit Z sein"},
    "zone-offset": {"en": "must be a time with an offset like +02:00", "de": "muss eine Uhrzeit mit einer Abweichung wie +02:00 sein"},
    "zone-none": {"en": "must be a time with no time zone", "de": "muss eine Uhrzeit ohne Zeitzone sein"},
    "required": {"en": "is required", "de": "fehlt"},
    "past": {"en": "must not be in the past", "de": "darf nicht in der Vergangenheit liegen"},
    "range": {"en": "is out of range", "de": "ist außerhalb dessen, was möglich ist"},
    "whole": {"en": "must be a whole number", "de": "muss eine ganze Zahl sein"},
    "digits": {"en": "may have {limit} decimal digits at most", "de": "darf höchstens {limit} Nachkommastellen haben"},
    "step": {
        "en": "must be a multiple of {step}: the nearest are {below} and {above}",
        "de": "muss ein Vielfaches von {step} sein: am nächsten sind {below} und {above}",
    },
    "min": {"en": "must be at least {limit}", "de": "muss mindestens {limit} sein"},
    "max": {"en": "must be at most {limit}", "de": "darf höchstens {limit} sein"},
    "minLength": {"en": "must have at least {limit} characters", "de": "muss mindestens {limit} Zeichen haben"},
    "maxLength": {"en": "must have at most {limit} characters", "de": "darf höchstens {limit} Zeichen haben"},
    "no-limit": {
        "en": "cannot be checked: its {name} is not a number now",
        "de": "kann nicht geprüft werden: {name} ist gerade keine Zahl",
    },
    "pattern": {"en": "must match the pattern {pattern}", "de": "muss zum Muster {pattern} passen"},
    "pattern-slow": {
        "en": "cannot be checked: its pattern takes too long on this text",
        "de": "kann nicht geprüft werden: das Muster braucht für diesen Text zu lange",
    },
    "pattern-wrong": {
        "en": "cannot be checked: its pattern is wrong ({error})",
        "de": "kann nicht geprüft werden: das Muster ist falsch ({error})",
    },
    "email": {"en": "must be an email address", "de": "muss eine E-Mail-Adresse sein"},
    "phone": {
        "en": "must be an international phone number, like +4930664040900",
        "de": "muss eine internationale Telefonnummer wie +4930664040900 sein",
    },
    "option": {"en": "must be one of the options", "de": "muss eine der Möglichkeiten sein"},
    "options": {"en": "must be some of the options", "de": "muss aus den Möglichkeiten gewählt sein"},
    "once": {"en": "must have each option once only", "de": "darf jede Möglichkeit nur einmal enthalten"},
    "rows": {"en": "must keep its {times} rows", "de": "muss seine {times} Zeilen behalten"},
    "attached": {
        "en": "must be documents that were attached to this task",
        "de": "müssen Dokumente sein, die an diese Aufgabe angehängt wurden",
    },
    "hidden": {"en": "is not shown now, so it cannot be set", "de": "wird gerade nicht gezeigt und kann nicht gesetzt werden"},
    "disabled": {"en": "cannot be set: the field is disabled", "de": "kann nicht gesetzt werden: das Feld ist abgeschaltet"},
    "readonly": {"en": "cannot be changed: the field is read only", "de": "kann nicht geändert werden: das Feld ist nur zum Lesen"},
    "unknown": {"en": "is not a field of this form", "de": "ist kein Feld dieses Formulars"},
    "no-object": {
        "en": "is not what a form submits: an object of values is",
        "de": "ist nicht, was ein Formular abschickt: ein Objekt mit Werten",
    },
    "deep": {"en": "is nested too deeply to come from a form", "de": "ist zu tief verschachtelt für ein Formular"},
}


class Message(str):
    """A sentence in English that can be said in other languages.

    Attributes:
        code: which one it is; ``custom`` for one that the form's author wrote.
        values: what was put into it.
    """

    code: str
    values: Mapping[str, Any]

    def in_language(self, language: str) -> str:
        """The sentence in a language; in English where there is no other."""
        found = TEXTS.get(self.code, {}).get(language)
        return found.format(**self.values) if found is not None else str(self)


def say(code: str, **values: Any) -> Message:
    """A sentence by its code."""
    message = Message(TEXTS[code]["en"].format(**values))
    message.code, message.values = code, values
    return message


def custom(text: str) -> Message:
    """A sentence of the form's author."""
    message = Message(text)
    message.code, message.values = "custom", {}
    return message
