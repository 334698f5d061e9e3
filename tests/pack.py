"""The installed pack, compiled once for all tests that use it."""

from functools import cache

from dsl.examples import Case, cases
from gateway import bundle
from gateway.pdp import catalogue

FIXTURES = bundle.PACK / "fixtures" / "sites.toml"
CATALOGUE = bundle.PACK / "catalogue" / "sites.toml"


@cache
def pack() -> bundle.Bundle:
    """The bundle of the pack, with its fixture catalogue."""
    compiled = bundle.compile_folder(bundle.PACK)
    _, program = compiled.require()
    return bundle.build(compiled, catalogue.load(FIXTURES, program).raw_facts())


@cache
def pack_catalogue() -> catalogue.Catalogue:
    """The real catalogue of the pack."""
    return catalogue.load(CATALOGUE, pack().program)


@cache
def pack_cases() -> tuple[Case, ...]:
    """Every inline example of the pack on every action of its rule."""
    made = pack()
    fixtures = catalogue.load(FIXTURES, made.program).raw_facts()
    return tuple(cases(made.model, made.program, fixtures))
