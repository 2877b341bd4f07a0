"""Writing piece by piece gives the bytes that `serialise` gives for the same tree."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.document import PREFIXES, attribute, document_bytes, escape_text, prefixes_for, serialise, written_name
from gateway.document.names import DECLARATION, METADATA

# Everything XML 1.0 allows in a text (§2.2); lxml refuses the rest.
LEGAL = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r\x85")
TEXTS = st.text(LEGAL.filter(lambda char: char not in "\ufffe\uffff"), max_size=30)
NAMES = st.sampled_from([f"{{{DECLARATION}}}ID", f"{{{METADATA}}}Name", "{urn:other}Own", "Bare"])


@given(NAMES, st.dictionaries(st.sampled_from(["a", "b", "unitCode"]), TEXTS), st.lists(st.tuples(NAMES, TEXTS)))
def test_pieces_give_the_bytes_of_the_tree(
    root: str, attributes: dict[str, str], children: list[tuple[str, str]]
) -> None:
    prefixes = prefixes_for(["urn:other"])
    tree = etree.Element(root, attributes)
    for name, text in children:
        etree.SubElement(tree, name).text = text or None
    content = "".join(
        f"<{written_name(name, prefixes)}>{escape_text(text)}</{written_name(name, prefixes)}>"
        if text
        else f"<{written_name(name, prefixes)}/>"
        for name, text in children
    )
    written = "".join(attribute(name, value) for name, value in attributes.items())
    assert document_bytes(written_name(root, prefixes), written, content, prefixes) == serialise(tree, prefixes)


def test_a_prefix_that_only_a_text_shows_is_not_declared() -> None:
    content = f"<dec:ID>{escape_text('<res:ID> res:a')}</dec:ID>"
    assert b"xmlns:res" not in document_bytes("md:MetaData", attribute("a", " resv:b"), content, PREFIXES)
