"""The root of the command line: quick, lazy, and one line for every error."""

from __future__ import annotations

import subprocess
import sys

import pytest

from camunda_workers.cli import main as cli
from camunda_workers.errors import SetupError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "camunda_workers", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys\n"
        "from camunda_workers.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith('camunda_workers.cli.') and not name.endswith('.main')])\n"
        "print([name for name in ('grpc', 'httpx', 'jpype', 'pydantic', 'sqlalchemy', 'numpy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *page, commands, libraries = done.stdout.splitlines()
    assert all(any(name in line for line in page) for name in cli.COMMANDS)
    assert commands == "[]"
    assert libraries == "[]", "the help page is slow when these are imported"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_can_be_loaded_and_does_not_pretend_to_be_a_program(name: str) -> None:
    command = cli.load(name)
    assert command.name == name
    assert command.help, "a command says what it does"
    assert not [parameter for parameter in command.params if "completion" in parameter.name]


def test_an_unknown_command_is_wrong_usage() -> None:
    done = run("nothing-like-this")
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_the_version_is_shown() -> None:
    assert run("--version").stdout.startswith("0.")


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [(SetupError("no network: check the connection"), 1, "error: no network: check the connection\n"), (KeyboardInterrupt(), 130, "")],
    ids=["an error of ours", "Ctrl-C"],
)
def test_how_a_failing_command_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, said: str
) -> None:
    def fail(name: str) -> None:
        raise raised

    monkeypatch.setattr(cli, "load", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main(["setup"])
    assert ended.value.code == code
    assert capsys.readouterr().err == said
