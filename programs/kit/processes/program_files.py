"""The files that define supervisord's programs, next to it: what to run, how, and a note of ours.

A new supervisord starts every program that has a file here, unless its autostart is off.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from programs.kit import files
from programs.kit.host_settings import HostSettings
from programs.kit.processes import sandbox
from programs.kit.processes.sandbox import LaunchSpec

_COMMAND = re.compile(r"^command=(.*)$", re.MULTILINE)
_AUTOSTART = ("autostart=false", "autostart=true")


@dataclass(frozen=True, slots=True)
class SupervisedProgram:
    """A program for supervisord. ``note`` is kept in its file and can be read back."""

    name: str
    launch: LaunchSpec
    note: str
    stop_signal: str = "TERM"
    stop_seconds: int = 3
    group: bool = True


def escape(text: str) -> str:
    return text.replace("%", "%%")


def program_file(settings: HostSettings, name: str) -> Path:
    return settings.programs / f"{name}.conf"


def launch_file(settings: HostSettings, name: str) -> Path:
    return settings.launches / f"{name}.json"


def log(settings: HostSettings, name: str) -> Path:
    # Next to supervisord, not in the environment: it refuses all programs if the folder of one log is missing.
    return settings.logs / f"{name}.log"


def write(settings: HostSettings, program: SupervisedProgram, parent: str) -> None:
    """``parent`` is a word in supervisord's command line: a program whose parent is another process doesn't start."""
    launch = dataclasses.replace(program.launch, parent=parent)
    argv = sandbox.write_launch_file(launch_file(settings, program.name), launch)
    files.write(program_file(settings, program.name), _program_config(settings, program, argv))


def _program_config(settings: HostSettings, program: SupervisedProgram, argv: list[str]) -> str:
    group = "true" if program.group else "false"
    return (
        f"; {program.note}\n[program:{program.name}]\n"
        f"command={escape(shlex.join(argv))}\ndirectory=/\n"
        # Each retry waits one second longer; a thousand of them take more than five days.
        "autostart=true\nautorestart=true\nstartsecs=2\nstartretries=1000\n"
        f"stopsignal={program.stop_signal}\nstopwaitsecs={program.stop_seconds}\nstopasgroup={group}\nkillasgroup=true\n"
        f"redirect_stderr=true\nstdout_logfile={escape(str(log(settings, program.name)))}\n"
        f"stdout_logfile_maxbytes={settings.log_bytes}\nstdout_logfile_backups=1\n"
    )


def note(settings: HostSettings, name: str) -> str:
    """The note that was given when the program was added."""
    return program_file(settings, name).read_text().partition("\n")[0].removeprefix("; ")


def set_autostart(settings: HostSettings, name: str, enabled: bool) -> None:
    path = program_file(settings, name)
    text = path.read_text()
    wanted = text.replace(f"\n{_AUTOSTART[not enabled]}\n", f"\n{_AUTOSTART[enabled]}\n", 1)
    if wanted != text:
        files.write(path, wanted)


def rewrite_missing_launchers(settings: HostSettings) -> list[str]:
    """Returns the programs whose files were rewritten. Every operation waits for this, so what uses our own launcher,
    which is there, isn't parsed."""
    rewritten = []
    ours = f"\ncommand={_launcher_words()} "
    for name in list_programs(settings):
        try:
            text = program_file(settings, name).read_text()
        except FileNotFoundError:
            continue  # removed meanwhile
        found = None if ours in text else _COMMAND.search(text)
        if found and not _can_run(found[1]):
            command = escape(shlex.join(sandbox.launch_command(launch_file(settings, name))))
            files.write(program_file(settings, name), text[: found.start(1)] + command + text[found.end(1) :])
            rewritten.append(name)
    return rewritten


def _launcher_words() -> str:
    """The beginning of the command of every program that this version writes."""
    return escape(shlex.join(sandbox.launch_command(Path("launch.json"))[:-1]))


def _can_run(command: str) -> bool:
    """Whether the interpreter and the launcher in a program's command line still exist."""
    python, _, _, launcher, *_ = [*shlex.split(command.replace("%%", "%")), *[""] * 4]
    return Path(python).exists() and Path(launcher).is_file()


def list_programs(settings: HostSettings) -> list[str]:
    """The names of all programs on disk, running or not."""
    return sorted(path.stem for path in settings.programs.glob("*.conf"))
