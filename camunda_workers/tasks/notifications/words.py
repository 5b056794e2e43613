"""What notifications say, in each language. Another language is one more entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "assigned": "{by} has assigned you a task: {task}",
        "delegated": "{by} asks you to work on a task: {task}",
        "resolved": "{by} has handed a task back to you: {task}",
        "mentioned": "{by} has mentioned you at a task: {task}",
        "escalated": "{by} asks for help with a task of yours: {task}",
        "due": "A task is due soon: {task}",
        "overdue": "A task is overdue: {task}",
        "digest": "Your tasks: {open} open, {due} due today, {overdue} overdue",
        "case": "Case",
        "process": "Process",
        "note": "Note",
        "due_at": "Due",
        "open": "Open the task",
        "inbox": "Open the inbox",
        "why": "You get this message because of your tasks in {project}. The link is for you alone and works once.",
    },
    "de": {
        "assigned": "{by} hat Ihnen eine Aufgabe zugewiesen: {task}",
        "delegated": "{by} bittet Sie um Mitarbeit an einer Aufgabe: {task}",
        "resolved": "{by} hat Ihnen eine Aufgabe zurückgegeben: {task}",
        "mentioned": "{by} hat Sie bei einer Aufgabe erwähnt: {task}",
        "escalated": "{by} bittet um Hilfe bei einer Ihrer Aufgaben: {task}",
        "due": "Eine Aufgabe ist bald fällig: {task}",
        "overdue": "Eine Aufgabe ist überfällig: {task}",
        "digest": "Ihre Aufgaben: {open} offen, {due} heute fällig, {overdue} überfällig",
        "case": "Fall",
        "process": "Prozess",
        "note": "Notiz",
        "due_at": "Fällig",
        "open": "Aufgabe öffnen",
        "inbox": "Posteingang öffnen",
        "why": "Sie erhalten diese Nachricht wegen Ihrer Aufgaben in {project}. Der Link gilt nur für Sie und nur einmal.",
    },
}


def word(language: str, name: str, **values: object) -> str:
    """A sentence in a language; English where the language or the sentence is not there."""
    text = WORDS.get(language, WORDS["en"]).get(name) or WORDS["en"][name]
    return text.format_map(_Blank({name: str(value) for name, value in values.items() if value is not None}))


class _Blank(dict[str, str]):
    """A value that a sentence names and nobody gave is left out, rather than the message."""

    def __missing__(self, key: str) -> str:
        return "…"
