"""CPU time by process, read where the system tells it (Linux: proc(5)); elsewhere nothing is told."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def cpu_seconds(gateways: Mapping[str, int]) -> dict[str, float]:
    """Return seconds of CPU so far: for each gateway (name → process id) its main process and its workers, and for
    this process. Empty where the system does not tell."""
    if not (_PROC / "self" / "stat").exists():
        return {}
    found: dict[str, float] = {}
    for name, pid in gateways.items():
        found[f"{name} main"] = _seconds(pid)
        found[f"{name} workers"] = sum(_seconds(child) for child in _children(pid))
    return {**found, "client and back end": _seconds(os.getpid())}


def _seconds(pid: int) -> float:
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _children(pid: int) -> list[int]:
    found = []
    for folder in _PROC.iterdir():
        with suppress(OSError):  # ended meanwhile
            if folder.name.isdigit() and int(_fields(int(folder.name))[1]) == pid:
                found.append(int(folder.name))
    return found


def _fields(pid: int) -> list[str]:
    """Return the fields of proc(5) `stat` after the name, which stands in parentheses and may hold anything: 1 is the
    parent, 11 and 12 are the ticks in user and in system mode."""
    return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
