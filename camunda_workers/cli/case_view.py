"""A case's story on a terminal: readable without colours, and on a narrow one."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from camunda_workers.events.story import Actor, CaseStory, Step, Tone, Wait, duration

NARROW = 90
"""Columns below which a step takes two lines instead of four columns."""

_MARKS = {Tone.PLAIN: ("·", "dim"), Tone.GOOD: ("✓", "green"), Tone.CAREFUL: ("!", "yellow"), Tone.BAD: ("✗", "bold red")}
_PLAIN_MARKS = {"·": "-", "✓": "+", "!": "!", "✗": "x"}
_ACTORS = {
    Actor.PERSON: "bold cyan",
    Actor.AGENT: "bold magenta",
    Actor.SERVICE: "blue",
    Actor.RULES: "green",
    Actor.TIMER: "yellow",
    Actor.MESSAGE: "yellow",
    Actor.OPERATOR: "bold cyan",
    Actor.ENGINE: "dim",
}
_STATES = {"active": "bold yellow", "completed": "bold green", "terminated": "bold red"}
_WORTH_TELLING = timedelta(seconds=1)
"""Shorter work is not worth a reader's while."""


def render(story: CaseStory, console: Console, zone: tzinfo | None = None) -> None:
    """Print a story.

    Args:
        story: what to print.
        console: where to; its width decides the layout.
        zone: the time zone of the absolute times; the machine's own by default.
    """
    console.print(_header(story, console, zone))
    day = ""
    for group in _days(story, zone):
        moment = _local(group[0].time, zone)
        day = f"{moment:%a} {moment.day} {moment:%b %Y}"
        console.print(Rule(Text(day, style="bold"), align="left", style="dim", characters="-" if _is_ascii(console) else "─"))
        console.print(_steps(group, story, console, zone))
    console.print(_waits(story, console, zone))


def _header(story: CaseStory, console: Console, zone: tzinfo | None) -> RenderableType:
    main = story.instances[0]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    others = len(story.instances) - 1
    more = f", with {others} more process instance{'s' if others > 1 else ''}" if others else ""
    facts.add_row("Process", Text(f"{main.process} ({main.process_id}, version {main.version}){more}"))
    facts.add_row("State", Text(_state(story), style=_STATES[story.state]))
    facts.add_row("Started", Text(_moment(story.started, zone)))
    if story.ended is not None:
        facts.add_row("Ended", Text(_moment(story.ended, zone)))
    facts.add_row("Duration" if story.ended is not None else "Open for", Text(duration(story.duration)))
    return Panel(
        facts, title=Text(f"Case {story.business_id}", style="bold"), title_align="left", border_style="dim", width=min(console.width, 110)
    )


def _state(story: CaseStory) -> str:
    stuck = sum(wait.actor is Actor.OPERATOR for wait in story.waits)
    return story.state + (f", {stuck} incident{'s' if stuck > 1 else ''}" if stuck else "")


def _days(story: CaseStory, zone: tzinfo | None) -> list[list[Step]]:
    days: list[list[Step]] = []
    for step in story.steps:
        if days and _local(days[-1][-1].time, zone).date() == _local(step.time, zone).date():
            days[-1].append(step)
        else:
            days.append([step])
    return days


def _steps(steps: list[Step], story: CaseStory, console: Console, zone: tzinfo | None) -> RenderableType:
    if console.width < NARROW:
        return Group(*(_narrow(step, story, console, zone) for step in steps))
    table = Table.grid(padding=(0, 2), expand=False)
    table.add_column(no_wrap=True, width=8)
    table.add_column(justify="right", no_wrap=True, style="dim", width=12)
    # As wide on every day: the eye runs down a column.
    table.add_column(overflow="fold", width=min(26, max(len(_who(step.actor, step.who)) for step in story.steps)))
    table.add_column(overflow="fold", width=min(30, max(len(step.element) + 2 * step.depth for step in story.steps)))
    table.add_column(overflow="fold", ratio=1)
    for step in steps:
        style = "bold" if step.actor is not Actor.ENGINE else ""
        table.add_row(
            f"{_local(step.time, zone):%H:%M:%S}",
            f"+{duration(step.time - story.started)}",
            _who(step.actor, step.who),
            Padding(Text(_clean(step.element), style=style), (0, 0, 0, 2 * step.depth)),
            _what(step, console, zone),
        )
    return table


def _narrow(step: Step, story: CaseStory, console: Console, zone: tzinfo | None) -> RenderableType:
    since = f"+{duration(step.time - story.started)}  "
    head = Text.assemble(f"{_local(step.time, zone):%H:%M:%S} ", (since, "dim"), (_clean(step.element), "bold"))
    head.append(" - " if _is_ascii(console) else " · ", style="dim")
    head.append_text(_who(step.actor, step.who))
    return Group(Padding(head, (0, 0, 0, 2 * step.depth)), Padding(_what(step, console, zone), (0, 0, 0, 4 + 2 * step.depth)))


def _who(actor: Actor, who: str | None) -> Text:
    # The kind is spelled out: without colours it must be as clear.
    return Text(f"{actor.value} {_clean(who)}" if who else actor.value, style=_ACTORS[actor])


def _what(step: Step, console: Console, zone: tzinfo | None) -> RenderableType:
    mark, style = _MARKS[step.tone]
    said = style if step.tone in {Tone.BAD, Tone.CAREFUL} else ""
    first = Text.assemble((_PLAIN_MARKS[mark] if _is_ascii(console) else mark, style), " ", (_clean(step.what), said))
    if step.took is not None and step.took >= _WORTH_TELLING:
        first.append(f" after {duration(step.took)}", style="dim")
    details = [_clean(detail) for detail in step.details]
    if step.due is not None:
        details.append(f"due {_moment(step.due, zone)}")
    below = (Padding(Text(detail, style="red" if step.tone is Tone.BAD else "dim"), (0, 0, 0, 2)) for detail in details)
    return Group(first, *below)


def _clean(text: str) -> str:
    """Text from workers and people, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _waits(story: CaseStory, console: Console, zone: tzinfo | None) -> RenderableType:
    line = Rule(style="dim", characters="-" if _is_ascii(console) else "─")
    if not story.waits:
        over = "Nothing left to do." if story.state != "active" else "Waits for nothing that the log knows of: the engine is at work."
        return Group(line, Text(over, style="dim"))
    needed = [wait for wait in story.waits if not wait.optional]
    possible = [wait for wait in story.waits if wait.optional]
    parts: list[RenderableType] = [line]
    if needed:
        parts += [Text("Waits for", style="bold"), *(_wait(wait, story, zone) for wait in needed)]
    if possible:
        parts += [Text("May also happen", style="dim bold"), *(_wait(wait, story, zone) for wait in possible)]
    return Group(*parts)


def _wait(wait: Wait, story: CaseStory, zone: tzinfo | None) -> RenderableType:
    text = Text.assemble(
        (_clean(wait.element), "bold" if not wait.optional else ""),
        ": ",
        (_clean(wait.what), _ACTORS[wait.actor] if not wait.optional else "dim"),
    )
    if not wait.optional and story.told_at - wait.since >= _WORTH_TELLING:
        text.append(f", for {duration(story.told_at - wait.since)} now", style="dim")
    if wait.due is not None:
        left = wait.due - story.told_at
        late = left < timedelta(0)
        text.append(
            f", {'overdue by ' if late else 'in ' if wait.actor is Actor.TIMER else 'due in '}{duration(abs(left))}",
            style="bold red" if late else "yellow",
        )
        text.append(f" ({_moment(wait.due, zone)})", style="dim")
    return Padding(text, (0, 0, 0, 2))


def _local(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment.astimezone(zone)


def _moment(moment: datetime, zone: tzinfo | None) -> str:
    local = _local(moment, zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S %Z}"


def _is_ascii(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")
