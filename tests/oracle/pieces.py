"""The pieces that grown documents are put together from, before they are written. Uses nothing of the gateway."""

from dataclasses import dataclass, field


@dataclass
class Piece:
    """One element to be written. `text` None for a class."""

    path: str
    namespace: str
    attributes: list[tuple[str, str]] = field(default_factory=list)
    text: str | None = None
    children: list["Piece"] = field(default_factory=list)
    is_nil: bool = False

    @property
    def name(self) -> str:
        """The local name."""
        return self.path.rpartition("/")[2].rpartition(":")[2]

    def below(self, *names: str) -> list["Piece"]:
        """Return all pieces at the end of a path of names."""
        found = [self]
        for name in names:
            found = [one for each in found for one in each.children if one.name == name]
        return found


def every(piece: Piece) -> list[Piece]:
    """Return a piece and all below it."""
    return [piece, *(one for child in piece.children for one in every(child))]
