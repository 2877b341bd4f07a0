"""A schema set as xmlschema's components, out of the set's files and nothing else.

xmlschema resolves includes, imports, redefinitions, derivations and substitution groups. We ask it what the set allows
and never whether a document is valid: that verdict is libxml2's. It loads files through `_SetLoader` alone, which knows
the set's mapping from path to bytes: no file is opened, no address asked, none of xmlschema's own copies of well-known
schemas taken. libxml2 has compiled a set before it comes here, so xmlschema does not judge it once more
(`validation="skip"`): that takes 3 to 10 times as long and tells nothing new.

Importing xmlschema costs about 0.3 s, so this module is imported by those who need a tree, when they need it.
"""

import warnings
from collections.abc import Mapping
from io import BytesIO
from posixpath import dirname
from typing import Any, Final
from urllib.parse import quote, unquote

from xmlschema import SchemaLoader, XMLSchema10
from xmlschema.exceptions import XMLSchemaException, XMLSchemaWarning
from xmlschema.resources import XMLResource

from gateway.document import locate
from gateway.errors import SchemaError
from gateway.schema.sets import SchemaSet

_BASE: Final = "wcx-set://set"
"""Stands for the set's folder where xmlschema wants an address. Nothing answers to it but `_SetLoader`."""


def components(schema_set: SchemaSet) -> XMLSchema10:
    """Return the built schema of a set. Raises SchemaError `schema.set_broken` for what xmlschema can not take."""
    entry, files = schema_set.entry, schema_set.files
    try:
        with warnings.catch_warnings():  # of checks that xmlschema leaves out; we rely on none
            warnings.simplefilter("ignore", XMLSchemaWarning)
            return XMLSchema10(
                _source(files, entry),
                validation="skip",
                base_url=_base_of(entry),
                loader_class=_loader_of(files, entry),
                use_fallback=False,
                allow="none",
                defuse="always",
                block=("file", "url"),
            )
    # xmlschema meets a set it can not take with its own exceptions or, where it does not judge, with plain ones.
    except (XMLSchemaException, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        detail = f"{schema_set.id} can not be listed ({type(error).__name__})"
        raise SchemaError("schema.set_broken", detail) from error


class _SetLoader(SchemaLoader):
    """Answers every include, redefine and import from the files of one set.

    As in libxml2, the first import of a namespace counts and later ones with another location are passed over.
    """

    files: Mapping[str, bytes]
    entry: str

    def load_schema(
        self,
        source: Any,
        namespace: str | None = None,
        base_url: str | None = None,
        build: bool = False,
        partial: bool = False,
    ) -> Any:
        """Return the schema at a location, once per namespace it is included into."""
        path = _path(self.files, source, base_url)
        if path == self.entry and namespace == self.maps.validator.target_namespace:
            return self.maps.validator
        loaded: dict[tuple[str, str | None], Any] = self.__dict__.setdefault("loaded", {})
        if (path, namespace) not in loaded:
            made = self.schema_class(
                source=_source(self.files, path),
                namespace=namespace,
                validation=self.maps.validation,
                global_maps=self.maps,
                base_url=_base_of(path),
                build=build,
                partial=partial,
            )
            loaded[path, namespace] = made
        return loaded[path, namespace]


def _loader_of(files: Mapping[str, bytes], entry: str) -> type[_SetLoader]:
    """Return a loader class for one set: xmlschema makes the instance itself and lets us say only its class."""
    return type("SetLoader", (_SetLoader,), {"files": files, "entry": entry})


def _source(files: Mapping[str, bytes], path: str) -> BytesIO:
    if path not in files:
        raise SchemaError("schema.set_broken", f"the set has no file {path}")
    return BytesIO(files[path])


def _base_of(path: str) -> str:
    return f"{_BASE}/{quote(dirname(path))}".rstrip("/")


def _path(files: Mapping[str, bytes], location: Any, base_url: str | None) -> str:
    """Return the path inside the set. An import's location comes joined with the base, an include's as written."""
    if isinstance(location, XMLResource) or not isinstance(location, str):
        raise SchemaError("schema.set_broken", "the set refers to something that is no file of it")
    if location.startswith(f"{_BASE}/"):
        joined = location.removeprefix(f"{_BASE}/")
        path = unquote(joined)
        # xmlschema undoes one quoting itself where a name holds what looks like another (a%2520b).
        return joined if path not in files and joined in files else path
    folder = unquote((base_url or _BASE).removeprefix(_BASE).lstrip("/"))
    return locate(location, of=f"{folder}/." if folder else ".")
