"""What users add to pcsim, by kind and name. Everything that knows words asks here for those that do not ship."""

from pcsim.extensions.importing import import_allowed, imported, named_thing, place_in_users_code
from pcsim.extensions.kinds import KINDS, MADE_OF_WORDS, lender
from pcsim.extensions.registry import Origin, find, names, origin_of, register, registered_words, takes

__all__ = [
    "KINDS",
    "MADE_OF_WORDS",
    "Origin",
    "find",
    "import_allowed",
    "imported",
    "lender",
    "named_thing",
    "names",
    "origin_of",
    "place_in_users_code",
    "register",
    "registered_words",
    "takes",
]
