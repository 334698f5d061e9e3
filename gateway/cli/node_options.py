"""Evidence of machines that a gateway takes, as the command line says it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.nodes.terms import Terms
    from gateway.pdp.catalogue import Catalogue


def add_evidence(parser: ArgumentParser) -> None:
    """By what evidence is judged."""
    parser.add_argument(
        "--nodes",
        type=Path,
        metavar="FILE",
        help="take evidence of the machines in this register, TOML of format charter-nodes/v1 "
        "(default: of none)",
    )
    parser.add_argument(
        "--appraisal",
        type=Path,
        metavar="FILE",
        help="with --nodes: appraisal policy (default: that of the installed pack, which accepts "
        "nothing)",
    )
    parser.add_argument(
        "--anchors",
        type=Path,
        metavar="FILE",
        help="with --nodes: keys, authorities and platforms that you vouch for (default: those "
        "of hardware makers alone)",
    )


def attestation_terms(args: Namespace, known: "Catalogue") -> "Terms | None":
    """What evidence is judged by; None where a gateway takes none, as on the command line.

    Raises:
        ConfigurationError: A file cannot be used, or names a site that the catalogue has not.
    """
    nodes: Path | None = getattr(args, "nodes", None)
    if nodes is None:
        for flag in ("appraisal", "anchors"):
            # Other commands have flags of that name.
            if hasattr(args, "nodes") and getattr(args, flag, None) is not None:
                raise ConfigurationError(
                    f"--{flag} is of no use without --nodes, which names the machines whose "
                    "evidence is taken"
                )
        return None
    from gateway.nodes.terms import load_terms

    terms = load_terms(args.appraisal, args.anchors, nodes)
    sites = known.entries.get("site", {})
    for rows in terms.register.rows.values():
        for row in rows:
            if row.site not in sites:
                raise ConfigurationError(
                    f"{nodes}: node `{row.id}` stands at `{row.site}`, which the catalogue does "
                    "not have"
                )
    return terms
