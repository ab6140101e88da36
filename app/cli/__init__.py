"""The `tocsin` command. Each command is a module with a Typer `app`, imported when it is called and not before:
`tocsin --help` need not wait for a web server, a database driver and the SDKs of providers."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """Where a command is, and its line in the list of commands: the first one of its own help (a test compares)."""

    module: str
    help: str
    panel: str


RUN: Final = "Run it"
LOOK_AFTER: Final = "Look after it"
CONFIGURE: Final = "Configure it"
TRY: Final = "Try it"

COMMANDS: Final[dict[str, Command]] = {
    "serve": Command("app.cli.serve", "Run Tocsin: take alerts in, page people, answer browsers and programs.", RUN),
    "init": Command("app.cli.init", "Make the organisation and its first admin, once.", RUN),
    "doctor": Command("app.cli.doctor", "Say what would keep a page from arriving.", LOOK_AFTER),
    "migrate": Command("app.cli.migrate", "Bring the database to the schema of this version.", LOOK_AFTER),
    "user": Command("app.cli.user", "Help people back in, from the machine itself.", LOOK_AFTER),
    "api-key": Command("app.cli.api_key", "Make an API key for a program, from the machine itself.", LOOK_AFTER),
    "apply": Command("app.cli.apply", "Make the configuration as a YAML document says.", CONFIGURE),
    "export": Command("app.cli.export", "Write the configuration as one YAML document.", CONFIGURE),
    "import": Command(
        "app.cli.importing", "Move in from PagerDuty, Opsgenie, Grafana OnCall or a table of people.", CONFIGURE
    ),
    "dry-run": Command("app.cli.dry_run", "Say what would happen if a payload arrived at some time.", TRY),
    "lint": Command("app.cli.lint", "Say what is doubtful about schedules in the coming year.", CONFIGURE),
    "demo": Command("app.cli.demo", "A playground: a service, two phones' worth of people and an alert.", TRY),
    "bench": Command(
        "app.cli.bench", "What Tocsin can do on this machine, beside a reference that runs in the same minutes.", TRY
    ),
    "paper": Command(
        "app.cli.paper", "Write or print who is on call, phones, policies and open incidents, now.", LOOK_AFTER
    ),
    "version": Command("app.cli.version", "Say which version this is, and what it runs on.", LOOK_AFTER),
}


class LazyGroup(TyperGroup):
    """Lists commands from the table above and loads the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: _listed(name, command) for name, command in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load(name), rest


def _listed(name: str, command: Command) -> TyperCommand:
    return TyperCommand(name, help=command.help, rich_help_panel=command.panel)


def load(name: str) -> Any:
    """The real command behind a name of `COMMANDS`."""
    gc.disable()  # nothing that is imported is garbage, and looking for some costs a sixth of the start
    try:
        command: Any = typer.main.get_command(import_module(COMMANDS[name].module).app)
    finally:
        gc.enable()
    command.name = name
    _reflow(command)
    return command


def _reflow(command: Any) -> None:
    """Paragraphs of help as wide as the terminal is: Typer keeps the line breaks of the source, except in the first."""
    command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    for below in getattr(command, "commands", {}).values():
        _reflow(below)


app = typer.Typer(
    name="tocsin",
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, which hold secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    epilog="Settings come from the environment, TOCSIN_<NAME> or the file that TOCSIN_<NAME>_FILE names: "
    "docs/configuration.md. Start with `tocsin demo`, or with `tocsin init` and `tocsin serve`."
)
def tocsin() -> None:
    """Takes alerts in and pages the people on call until somebody answers. One program, one PostgreSQL."""


def main() -> None:
    """The entry point of the installed command."""
    app(prog_name="tocsin")
