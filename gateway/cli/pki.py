"""`gateway pki`: a development certificate authority, and the bundles partners hand each other.

For demos, tests and first trials; in production certificates come from the administration's own authority.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import AsJson, fail, print_json, print_lines, print_table, reporting, say
from gateway.domain.ids import PartyId, party_id

if TYPE_CHECKING:
    from gateway.trust.pki import Issued

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Development certificates: init, issue, renew, revoke, crl, bundle.")

AuthorityFolder = Annotated[
    Path, typer.Option("--authority", help="Folder of the authority.", exists=True, file_okay=False)
]
Keys = Annotated[Path, typer.Option("--keys", help="Folder for keys; a sub-folder for each party.")]
Days = Annotated[int, typer.Option("--days", help="How long it is valid.", min=1, max=825)]


class Reason(StrEnum):
    """Why a certificate is revoked (RFC 5280 §5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    SUPERSEDED = "superseded"
    CESSATION = "cessationOfOperation"
    AFFILIATION = "affiliationChanged"


@app.command("init")
def init(
    folder: Annotated[Path, typer.Option("--dir", help="Folder to make the authority in.")],
    name: Annotated[str, typer.Option(help="Its name, as it stands in certificates.")] = "Development",
    as_json: AsJson = False,
) -> None:
    """Make a root, an issuing authority and their revocation lists."""
    from gateway.trust import pki

    with reporting(as_json=as_json):
        authority = pki.init(folder, now=_now(), name=name)
    members = {
        "folder": authority.folder,
        "roots": authority.roots,
        "chain": authority.chain,
        "crls": [str(path) for path in authority.crls],
    }
    _told(members, as_json=as_json)


@app.command("issue")
def issue(
    party: Annotated[str, typer.Argument(help="Party id, such as GB-HMRC.")],
    authority: AuthorityFolder,
    keys: Keys,
    use: Annotated[list[str] | None, typer.Option(help="tls, sign or decrypt; repeat it; all three otherwise.")] = None,
    dns: Annotated[list[str] | None, typer.Option(help="Host name of its gateway (tls).")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="Address of its gateway (tls).")] = None,
    days: Days = 397,
    not_before: Annotated[
        datetime | None,
        typer.Option(help="Begin, UTC; a later one announces a successor.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make keys and certificates for a party."""
    from gateway.trust import Use, pki

    uses = _each(Use, use or list(Use), "--use", f"write {', '.join(Use)}")
    addresses = _each(ip_address, ip or [], "--ip", "write an IPv4 or IPv6 address")
    owner = _party(party)
    with reporting(as_json=as_json):
        made = [
            pki.issue(
                authority,
                owner,
                one,
                keys=keys,
                now=_now(),
                dns=tuple(dns or ()) if one is Use.TLS else (),
                addresses=addresses if one is Use.TLS else (),
                not_before=None if not_before is None else not_before.replace(tzinfo=UTC),
                lifetime=timedelta(days=days),
            )
            for one in uses
        ]
    _show(made, as_json=as_json)


@app.command("renew")
def renew(
    certificate: Annotated[Path, typer.Argument(help="Certificate file.", exists=True, dir_okay=False)],
    authority: AuthorityFolder,
    keys: Keys,
    days: Days = 397,
    as_json: AsJson = False,
) -> None:
    """Issue a successor with a new key. The old one stays valid until it ends."""
    from gateway.trust import pki

    with reporting(as_json=as_json):
        made = pki.renew(authority, certificate, keys=keys, now=_now(), lifetime=timedelta(days=days))
    _show([made], as_json=as_json)


@app.command("revoke")
def revoke(
    certificate: Annotated[Path, typer.Argument(help="Certificate file.", exists=True, dir_okay=False)],
    authority: AuthorityFolder,
    reason: Annotated[
        Reason, typer.Option(help="Why. A compromised key verifies nothing any more.")
    ] = Reason.UNSPECIFIED,
    as_json: AsJson = False,
) -> None:
    """Put a certificate on the revocation list and publish the list."""
    from cryptography import x509

    from gateway.trust import pki, read_certificates

    with reporting(as_json=as_json):
        leaf = read_certificates(certificate)[0]
        pki.revoke(authority, leaf, now=_now(), reason=x509.ReasonFlags(reason.value))
    serial = f"{leaf.serial_number:x}"
    _told({"revoked": certificate, "serial": serial, "reason": reason.value}, as_json=as_json)


@app.command("crl")
def crl(
    authority: AuthorityFolder,
    days: Annotated[int, typer.Option(help="How long the lists are fresh.", min=1, max=90)] = 7,
    as_json: AsJson = False,
) -> None:
    """Publish the revocation lists anew. Nodes refuse every certificate once a list is out of date."""
    from gateway.trust.pki import Authority, refresh_crls

    with reporting(as_json=as_json):
        refresh_crls(authority, now=_now(), lifetime=timedelta(days=days))
    _told({"crls": [str(path) for path in Authority(folder=authority).crls]}, as_json=as_json)


@app.command("bundle")
def bundle(
    party: Annotated[str, typer.Argument(help="Our party id.")],
    authority: AuthorityFolder,
    keys: Keys,
    out: Annotated[Path, typer.Option("--out", help="File to write; must not exist.")],
    as_json: AsJson = False,
) -> None:
    """Write the bundle that partners need to know us, and print the fingerprints to compare by telephone."""
    from gateway.trust import Use, export_bundle, fingerprints, key_files_in, write_bundle_json
    from gateway.trust.pki import Authority

    owner = _party(party)
    if out.exists():
        raise typer.BadParameter("exists already", param_hint="--out")
    with reporting(as_json=as_json):
        made = export_bundle(
            owner,
            signing=[files.certificate for files in key_files_in(keys / owner, Use.SIGN)],
            encryption=[files.certificate for files in key_files_in(keys / owner, Use.DECRYPT)],
            authorities=Authority(folder=authority).chain,
        )
        if not made.signing or not made.encryption:
            fail("trust.key_unknown", "There is no signing or no decryption certificate", as_json=as_json)
        with out.open("xb") as stream:
            stream.write(write_bundle_json(made))
    if as_json:
        shown = [{"label": label, "sha256": value} for label, value in fingerprints(made)]
        print_json({"bundle": str(out), "fingerprints": shown})
        return
    say(f"Wrote {out}. Read these to your partner over a way that nobody else controls:")
    print_table("", ("What", "SHA-256"), fingerprints(made))


def _show(made: "list[Issued]", *, as_json: bool) -> None:
    if as_json:
        for one in made:
            print_json(
                {
                    "party": one.party,
                    "use": one.use,
                    "key": one.files.key,
                    "certificate": one.files.certificate,
                    "key_id": one.key_id,
                    "serial": f"{one.serial:x}",
                    "fingerprint": one.fingerprint,
                    "not_after": one.not_after,
                }
            )
        return
    rows = [(one.use.value, one.files.certificate, one.not_after) for one in made]
    print_table("", ("Use", "Certificate", "Valid until"), rows)


def _told(members: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(members)
    else:
        print_lines((name, ", ".join(value) if isinstance(value, list) else value) for name, value in members.items())


def _each(read: Callable[[str], Any], texts: list[Any], option: str, words: str) -> list[Any]:
    try:
        return [read(text) for text in texts]
    except ValueError:
        raise typer.BadParameter(words, param_hint=option) from None


def _party(text: str) -> PartyId:
    try:
        return party_id(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _now() -> datetime:
    return datetime.now(UTC)
