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
        "protected": "The case is protected: the note stands beside the task.",
        "due_at": "Due",
        "open": "Open the task",
        "inbox": "Open the inbox",
        "why": "You get this message because of your tasks in {project}. The link is for you alone and works once.",
        "reply": "Or answer this mail with one of these words, alone on its first line: {words}. That is your decision. "
        "The address is for you alone, works once, and until {until}.",
        "reply-done": "Your answer is recorded, and the task is completed",
        "reply-approved": "Your approval is recorded; the task waits for others",
        "reply-refused": "Your answer was not acted upon",
        "reason": "Why",
        "refused-large": "The mail is too large. Answer with one word and without attachments, or open the task.",
        "refused-address": "The address it was sent to is not one of ours, or was changed on the way. Open the inbox.",
        "refused-sender": "It did not come from your registered address alone. If that was not you, tell your administrator; otherwise open the task.",
        "refused-unproven": "Your mail server did not prove that it is from you. If it was not, tell your administrator; otherwise open the task.",
        "refused-used": "The mail has been answered already. Open the task to see how it stands.",
        "refused-expired": "The time to answer by mail is over. Open the task.",
        "refused-text": "It has no plain text. Answer as plain text, with one of the words on the first line, or open the task.",
        "refused-word": "Its first line is not one of the words, alone. Answer once more with one of them, or open the task.",
        "refused-changed": "The task has changed since the mail was written. Open the task and decide on what it is now.",
        "refused-rules": "A rule does not let you decide here. The task says which one.",
        "refused-closed": "The task is not yours or not open any more. Open it to see how it stands.",
        "refused-form": "The form needs more than one word. Open the task.",
        "refused-unsure": "The engine did not answer in time. Open the task to see whether it is completed.",
        "decide.approve": "approve",
        "decide.reject": "reject",
        "decide.decline": "decline",
        "decide.accept": "accept",
        "decide.send_back": "send back",
        "decide.true": "yes",
        "decide.false": "no",
        "decide.yes": "yes",
        "decide.no": "no",
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
        "protected": "Der Fall ist geschützt: Die Notiz steht bei der Aufgabe.",
        "due_at": "Fällig",
        "open": "Aufgabe öffnen",
        "inbox": "Posteingang öffnen",
        "why": "Sie erhalten diese Nachricht wegen Ihrer Aufgaben in {project}. Der Link gilt nur für Sie und nur einmal.",
        "reply": "Oder antworten Sie auf diese Nachricht mit einem dieser Wörter, allein in der ersten Zeile: {words}. "
        "Das ist Ihre Entscheidung. Die Adresse gilt nur für Sie, nur einmal und bis {until}.",
        "reply-done": "Ihre Antwort ist vermerkt, die Aufgabe ist erledigt",
        "reply-approved": "Ihre Freigabe ist vermerkt; die Aufgabe wartet auf weitere",
        "reply-refused": "Ihre Antwort hat nichts bewirkt",
        "reason": "Warum",
        "refused-large": "Die Nachricht ist zu groß. Antworten Sie mit einem Wort und ohne Anhang, oder öffnen Sie die Aufgabe.",
        "refused-address": "Die Adresse, an die sie ging, ist keine von uns oder wurde unterwegs verändert. Öffnen Sie den Posteingang.",
        "refused-sender": "Sie kam nicht allein von Ihrer hinterlegten Adresse. Waren Sie das nicht, melden Sie es; sonst öffnen Sie die Aufgabe.",
        "refused-unproven": "Ihr Mailserver hat nicht belegt, dass sie von Ihnen ist. War sie es nicht, melden Sie es; sonst öffnen Sie die Aufgabe.",
        "refused-used": "Die Nachricht wurde schon beantwortet. Öffnen Sie die Aufgabe, um zu sehen, wie sie steht.",
        "refused-expired": "Die Frist für eine Antwort per Mail ist vorbei. Öffnen Sie die Aufgabe.",
        "refused-text": "Sie enthält keinen einfachen Text. Antworten Sie als Nur-Text mit einem der Wörter in der ersten Zeile, oder öffnen Sie die Aufgabe.",
        "refused-word": "Ihre erste Zeile ist nicht genau eines der Wörter. Antworten Sie noch einmal, oder öffnen Sie die Aufgabe.",
        "refused-changed": "Die Aufgabe hat sich seit der Nachricht geändert. Öffnen Sie sie und entscheiden Sie über den jetzigen Stand.",
        "refused-rules": "Eine Regel lässt Sie hier nicht entscheiden. Welche, steht bei der Aufgabe.",
        "refused-closed": "Die Aufgabe ist nicht (mehr) Ihre oder nicht mehr offen. Öffnen Sie sie, um zu sehen, wie sie steht.",
        "refused-form": "Das Formular braucht mehr als ein Wort. Öffnen Sie die Aufgabe.",
        "refused-unsure": "Die Engine hat nicht rechtzeitig geantwortet. Öffnen Sie die Aufgabe, um zu sehen, ob sie erledigt ist.",
        "decide.approve": "genehmigen",
        "decide.reject": "ablehnen",
        "decide.decline": "ablehnen",
        "decide.accept": "annehmen",
        "decide.send_back": "zurückgeben",
        "decide.true": "ja",
        "decide.false": "nein",
        "decide.yes": "ja",
        "decide.no": "nein",
    },
}


def word(language: str, name: str, **values: object) -> str:
    """A sentence in a language; English where the language or the sentence is not there."""
    text = WORDS.get(language, WORDS["en"]).get(name) or WORDS["en"][name]
    return text.format_map(_Blank({name: str(value) for name, value in values.items() if value is not None}))


def decision_words(value: str | bool | int | float) -> list[str]:
    """What people call a decision, in every language that has a word for it."""
    name = f"decide.{str(value).strip().casefold().replace(' ', '_').replace('-', '_')}"
    return [words[name] for words in WORDS.values() if name in words]


class _Blank(dict[str, str]):
    """A value that a sentence names and nobody gave is left out, rather than the message."""

    def __missing__(self, key: str) -> str:
        return "…"
