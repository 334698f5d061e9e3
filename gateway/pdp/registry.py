"""Registry: which labels the data sets have that a question names, and whose they are.

A caller names data sets and labels. The registry adds the labels of what is named; nobody
takes one away. Labels are known only where the caller stated both: else, to leave one of
them out would help.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsl.core import FactType, Kind, Origin, Program
from dsl.facts import Value, fit, settled
from gateway.errors import ConfigurationError, RequestError
from gateway.pdp.provenance import Layer
from gateway.pdp.refusals import pointer
from gateway.pdp.rows import Printable, check_period, first_error
from gateway.pdp.unfit import complaint, short

TABLE = "dataset"
_MODEL = ConfigDict(extra="forbid", frozen=True, strict=True)
_DIGEST = r"^sha256:[0-9a-f]{64}$"


class RegistryHead(BaseModel):
    """Which facts of a question the registry is about, by their paths."""

    model_config = _MODEL

    names: Printable = "data.datasets"
    labels: Printable = "data.labels"


class DatasetRow(BaseModel):
    """One data set as it stands in the file."""

    model_config = _MODEL

    id: Printable = Field(min_length=1, max_length=256)
    title: Printable = ""
    valid_from: date
    valid_until: date | None = None
    source: Printable = Field(min_length=1)
    owner: Printable = Field(min_length=1, max_length=256)
    shared_with: list[Printable] = Field(default_factory=list[str])
    labels: list[Printable] = Field(min_length=1)
    # Of the data, or of its description, where somebody wants to tell versions apart.
    digest: Annotated[str, Field(pattern=_DIGEST)] | None = None


@dataclass(frozen=True)
class Dataset:
    """One data set. `labels` are closed upward in their taxonomy."""

    id: str
    title: str
    valid_from: date
    valid_until: date | None
    source: str
    owner: str
    shared_with: tuple[str, ...]
    labels: tuple[str, ...]
    digest: str | None
    layer: Layer

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def facts(self) -> dict[str, object]:
        """What is stated of it, by field, as it is read out and compared."""
        return {
            "labels": list(self.labels),
            "owner": self.owner,
            "shared_with": list(self.shared_with),
            "digest": self.digest,
        }

    def tenants(self) -> frozenset[str]:
        """Whoever may name it."""
        return frozenset((self.owner, *self.shared_with))

    def is_for(self, tenant: str | None) -> bool:
        """Whether a tenant may name it; None stands for whoever runs the gateway."""
        return tenant is None or tenant == self.owner or tenant in self.shared_with


@dataclass(frozen=True)
class Registry:
    """Data sets by id, and the facts of a question that name and label them."""

    names: str
    labels: str
    datasets: Mapping[str, Dataset]

    def label(
        self,
        program: Program,
        facts: dict[str, Value],
        day: date,
        tenant: str | None,
    ) -> list[Dataset]:
        """Add to the facts of a question the labels of the data sets that it names, which are
        returned.

        Args:
            facts: Changed in place.
            day: On which the rows must hold.
            tenant: Who asks.

        Raises:
            RequestError: A data set is not registered on the day for that tenant; the answer
                is the same whether or not another tenant has it.
        """
        named = cast("tuple[str, ...] | None", facts.get(self.names))
        stated = facts.pop(self.labels, None)
        found: list[Dataset] = []
        for name in named or ():
            dataset = self.datasets.get(name)
            if dataset is None or not dataset.holds_on(day) or not dataset.is_for(tenant):
                raise RequestError(
                    f"no data set `{short(name)}` is registered for this tenant on "
                    f"{day.isoformat()}",
                    pointer=pointer(program.facts[self.names].wire),
                    kind="unknown-entity",
                )
            found.append(dataset)
        if named is not None and stated is not None:
            labels = [*cast("tuple[str, ...]", stated)]
            for dataset in found:
                labels += dataset.labels
            all_of_them = settled(program.facts[self.labels], labels)
            if all_of_them is not None:
                facts[self.labels] = all_of_them
        return found


def known_to(before: Dataset, after: object) -> tuple[frozenset[str], str | None]:
    """Who may name a data set before and after a change of it, or before it was withdrawn;
    and its owner, where that is the same."""
    later = after if isinstance(after, Dataset) else before
    owner = before.owner if before.owner == later.owner else None
    return before.tenants() & later.tenants(), owner


def bind(head: RegistryHead, program: Program, name: str) -> tuple[FactType, FactType]:
    """The two facts that a registry is about.

    Raises:
        ConfigurationError: The vocabulary declares no such facts of a request, or others.
    """
    found: list[FactType] = []
    for member, path in (("names", head.names), ("labels", head.labels)):
        fact = program.facts.get(path)
        if fact is None or fact.kind is not Kind.TERMS or fact.origin is not Origin.REQUEST:
            raise ConfigurationError(
                f"{name}: the data sets need a set from the request at `{path}`, which the "
                f"vocabulary does not declare: say in [registry] which fact {member} is"
            )
        found.append(fact)
    return found[0], found[1]


def read_dataset(
    raw: object, where: str, facts: tuple[FactType, FactType], layer: Layer
) -> Dataset:
    """A row, held against the vocabulary; raises `ConfigurationError`."""
    try:
        row = DatasetRow.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {first_error(error)}") from error
    where = f"{where} `{row.id}`"
    names, labels = facts[0], replace(facts[1], path="labels")
    if fit(names, [row.id]) is None:
        raise ConfigurationError(f"{where}: `id`: {complaint(names, [row.id])}")
    fitted = fit(labels, row.labels)
    if fitted is None:
        raise ConfigurationError(f"{where}: {complaint(labels, row.labels)}")
    check_period(row.valid_from, row.valid_until, where)
    return Dataset(
        row.id,
        row.title,
        row.valid_from,
        row.valid_until,
        row.source,
        row.owner,
        tuple(row.shared_with),
        cast("tuple[str, ...]", fitted),
        row.digest,
        layer,
    )
