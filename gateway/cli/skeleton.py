"""Charters and rules to fill in: they pass `charter check` and `charter test` as they are,
in the words of the installed vocabulary."""

from dataclasses import dataclass
from datetime import date, timedelta

IMPORTS = ("vocabulary.places", "vocabulary.workload")


@dataclass(frozen=True)
class Law:
    """`name` is the short name that rules cite, in capitals."""

    name: str
    title: str
    celex: str | None = None


def charter(name: str, *, title: str, law: Law, time_zone: str, day: date) -> str:
    """The text of a charter with one rule."""
    celex = f" celex {law.celex}" if law.celex else ""
    imports = "".join(f"import {imported}\n" for imported in IMPORTS)
    return f"""\
# A charter to fill in. Whatever stands behind a # is a note to you; remove it when done.
#
#   charter check {name}.charter     says what is wrong with it
#   charter test {name}.charter      runs its examples

charter {name}
  # What the charter is about, in a few words.
  title      "{title}"
  # The law, contract or decision that its rules carry out. Every rule cites one, by the
  # short name in capitals; write further ones below each other.
  law        {law.name} "{law.title}"{celex}
  # Where days begin and end.
  time zone  {time_zone}
  # The day on which the examples happen.
  as of      {day.isoformat()}
# The words in which rules speak of workloads, data and sites.
{imports}
{rule("first-rule", title="Health data stays in the European Union", law=law, day=day)}"""


def rule(name: str, *, title: str, law: Law, day: date) -> str:
    """The text of a rule that refuses, with examples of either side and of what is unknown."""
    locator = "art 1" if law.celex else "section 1"
    return f"""\
# Change the name behind `rule` (small letters, digits and dashes) and what it says of itself.
rule {name} "{title}"
  # Where it stands in the law: art 44, art 46(2)(c), annex III, section 2, recital 10.
  cites     {law.name} {locator}
  # The first day on which it counts. Leave the line out if it always did.
  in force  from {day.isoformat()}
  # place: a workload runs at a site. flow: data moves from one site to another.
  on        place, flow
  # When the rule matters at all. Join several conditions with `and`.
  when      data.labels has health
  # What must then be so. To refuse outright, write `forbid` in place of this line.
  require   destination.countries within EU

  # What somebody who is refused reads: why, and what would help.
  because   "Health data of our patients is kept in the Union."
  remedy    "Choose a site in the Union."

  # Examples are tests: what is refused, what is not, and what stays open. Name a site of
  # your catalogue with `destination = ...`, or state its facts as here.
  example "health data to a site in the United States" is denied
    data.labels = {{health}}
    destination.countries = {{US}}

  example "health data to a site in France" is permitted
    data.labels = {{health}}
    destination.countries = {{FR}}

  example "published data to the United States" is permitted
    data.labels = {{public}}
    destination.countries = {{US}}

  example "health data to the United States, the day before" is permitted
    data.labels = {{health}}
    destination.countries = {{US}}
    as of {(day - timedelta(days=1)).isoformat()}

  # What nobody knows opens nothing. What an example does not state is unknown, and where
  # that decides, the answer is neither yes nor no: the request is refused until somebody
  # states it.
  example "nobody says what the data is" is undetermined
    destination.countries = {{US}}

  example "nobody says in which countries the site holds data" is undetermined
    data.labels = {{health}}
"""
