"""`make fuzz`: every target for some seconds, each in a process of its own, and a control that must fail.

Seeds are this project's own samples and schema files; what is found on the way stays in build/fuzz as the corpus of the
next run. An input that crashes, hangs (10 s) or takes more than 2 GB is kept there as `crash-…`, `timeout-…` or
`oom-…`, and `python -m tests.fuzz.target NAME FILE` runs it again. The exit code is 1 when a target failed or when the
control did not, 2 when atheris is not there: nothing is skipped in silence.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
OUT: Final = ROOT / "build" / "fuzz"
TARGETS: Final = ("document", "catalogue")
_SEPARATOR: Final = b"\n<!-- next file -->\n"
_PLANTED: Final = b"<planted/>"
_LARGEST: Final = 64 * 1024


def main() -> int:
    """Run all targets and the control; return the exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=15, help="for each target")
    parser.add_argument("--seed", type=int, default=1, help="where the search begins; 0: elsewhere each time")
    given = parser.parse_args()
    seconds, seed = given.seconds, given.seed
    if importlib.util.find_spec("atheris") is None:
        print("FUZZ NOT RUN: atheris is not installed; it has no wheel for this Python", file=sys.stderr)
        return 2
    failed = [name for name in TARGETS if not _runs(name, seconds, list(_seeds(name)), seed=seed)]
    if _runs("planted", 5, [*_seeds("document"), _PLANTED], seed=seed, told=False) or not _kept():
        failed.append("control: the planted defect was not found and kept")
    print(
        "fuzz:", "failed: " + ", ".join(failed) if failed else f"{len(TARGETS)} targets and the control as they should"
    )
    return 1 if failed else 0


def _kept() -> bool:
    """Take away what the control kept; tell whether that was the planted input."""
    kept = [(path, path.read_bytes()) for path in OUT.glob("planted-crash-*")]
    for path, _ in kept:
        path.unlink()
    return any(_PLANTED in content for _, content in kept)


def _runs(name: str, seconds: int, seeds: list[bytes], *, seed: int, told: bool = True) -> bool:
    """Run one target; tell whether it came to its end without a fault."""
    corpus, start = OUT / name, OUT / f"{name}-seeds"
    for folder in (corpus, start):
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds):
        (start / str(number)).write_bytes(content)
    limits = ["-timeout=10", "-rss_limit_mb=2048", f"-max_len={_LARGEST}", f"-artifact_prefix={OUT / name}-"]
    options = [f"-max_total_time={seconds}", f"-seed={seed}", *limits, "-print_final_stats=1", str(corpus), str(start)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.target", name, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=seconds + 120,
    )
    (OUT / f"{name}.log").write_bytes(done.stdout)
    if told:
        lines = done.stdout.decode(errors="replace").splitlines()
        runs = [line.split()[-1] for line in lines if line.startswith("stat::number_of_executed_units")]
        print(f"fuzz {name}: {runs[0] if runs else 'no count of'} inputs, exit code {done.returncode}")
        if done.returncode:
            print(*lines[-40:], sep="\n")
    return done.returncode == 0


def _seeds(name: str) -> Iterator[bytes]:
    schemas = ROOT / "wco_schemas"
    if name == "document":
        for path in sorted(schemas.glob("samples/*/*.xml")):
            yield path.read_bytes()[:_LARGEST]
        return
    for folder in sorted(schemas.glob("dms-*")):
        entry = folder / f"{folder.name}.xsd"
        others = [folder / "MetaData.xsd", *sorted(folder.glob("*Values.xsd"))]
        yield _SEPARATOR.join(path.read_bytes() for path in (entry, *others))
    head = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x" xmlns="urn:x">'
    part = b'<xs:include schemaLocation="b.xsd"/><xs:element name="Declaration" type="T"/></xs:schema>'
    kind = b'<xs:complexType name="T"><xs:sequence><xs:any/></xs:sequence></xs:complexType></xs:schema>'
    yield head + part + _SEPARATOR + head + kind


if __name__ == "__main__":
    sys.exit(main())
