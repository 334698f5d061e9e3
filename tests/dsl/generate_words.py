"""The vocabulary of generated charters, and what of it a condition may compare.

Values are few, so that conditions turn often, and the days of a question lie around the
dates.
"""

from dataclasses import dataclass
from datetime import date

START = date(2026, 3, 1)
START_NUMBER = START.toordinal() - date(1970, 1, 1).toordinal()
SPAN = 6  # days
COUNTRIES = ("AT", "BE", "BR", "DE", "GB", "NO", "US")
TOOLS = ("none", "scc-m1", "scc-m2", '"other tool"')
LABELS = ("public", "personal", "special-category", "health", "genetic")
OBJECTIVES = ("SOV-1", "SOV-2", "SOV-3")
SEALS = ("SEAL-0", "SEAL-1", "SEAL-2", "SEAL-3")
TIERS = ("low", "middle", "high")
# Rules count days in the first, the zones of the vocabulary in the second.
TIME_ZONES = ("Europe/Brussels", "Pacific/Kiritimati")

VOCABULARY = f"""charter generated.words
  title "Words of generated charters"
  time zone Pacific/Kiritimati

action place "Run a workload at a site"
action flow "Move data"

enumeration country "Country" of {", ".join(COUNTRIES)}
enumeration tool "Tool of a transfer" of {", ".join(TOOLS)}
enumeration objective "Objective" of {", ".join(OBJECTIVES)}
levels seal "Effective assurance" of {" < ".join(SEALS)}
levels tier "Tier" of {" < ".join(TIERS)}

taxonomy label "Kinds of data"
  term public "Published"
  term personal "Personal data"
  term special-category "Special" under personal
  term health "Health" under special-category
  term genetic "Genetic" under special-category, personal

structure holder "One who holds a part"
  field country country
  field tier tier "How close"
  field share number of percent
  field gain number of eur or negative
  field seats number of persons
  field since date
  field voting yes or no

entity site "A site"
  field countries set of country
  field seat country
  field marks set of identifier or none
  field certified yes or no
  field grade seal
  field seal map of objective to seal
  field score map of objective to number of percent
  field load number of megawatts with 1 decimal
  field margin number of eur or negative
  field opened date
  field holders list of holder "Who owns it"

record destination "Where to" is site from catalogue at resource on place, flow
record origin is site from catalogue at context.origin on flow

record user "Who asks" from request at subject
  field id identifier

record data "Its data" from request at context.data
  field labels set of label
  field kind label
  field owner identifier
  field sealed yes or no
  field rows number of persons

record transfer from request at context.transfer
  field tool tool
  field tier tier
  field age number of days
  field grace number of days
  field compute number of petaflop
  field part number of percent with 1 decimal
  field wanted seal
  field began date
  field assessed_on date
  field done map of tier to yes or no
  field where map of objective to country
  field checked map of objective to date

zone FIXED "Without dates"
  member AT, BE
  member DE

obligation keep-record "Keep a record"
obligation tell-officer "Tell the officer"
obligation notify "Notify somebody" has a deadline
  field authority identifier
  field copies number of items
obligation seal-off "Seal it off"
  field grade seal
  field last_day date
  field part number of percent
  field whole yes or no
advice start-logs "Begin to keep logs"
advice tune "Look at it again"
  field day date
"""


@dataclass(frozen=True)
class Amount:
    """A number that conditions compare: counted in steps of 10**-scale of a unit."""

    path: str
    unit: str
    scale: int = 0
    negative: bool = False


@dataclass(frozen=True)
class Keyed:
    """A map, by its keys."""

    path: str
    keys: tuple[str, ...]


TRUTHS = ("data.sealed", "destination.certified")
TERM_SETS = ("destination.countries", "destination.countries", "origin.countries")
LEVELS = {"destination.grade": SEALS, "transfer.tier": TIERS, "transfer.wanted": SEALS}
DATES = ("transfer.began", "transfer.assessed_on", "destination.opened")
AMOUNTS = (
    Amount("transfer.age", "days"),
    Amount("transfer.compute", "petaflop"),
    Amount("transfer.part", "percent", 1),
    Amount("destination.load", "megawatts", 1),
    Amount("destination.margin", "eur", negative=True),
    Amount("data.rows", "persons"),
)
SEAL_MAP = Keyed("destination.seal", OBJECTIVES)
SCORE_MAP = Keyed("destination.score", OBJECTIVES)
DONE_MAP = Keyed("transfer.done", TIERS)
WHERE_MAP = Keyed("transfer.where", OBJECTIVES)
CHECKED_MAP = Keyed("transfer.checked", OBJECTIVES)
MAPS = (SEAL_MAP, SCORE_MAP, DONE_MAP, WHERE_MAP, CHECKED_MAP)

# Derived facts, where a charter declares them.
DERIVED_AMOUNTS = (
    Amount("destination.foreign_share", "percent", 2),
    Amount("destination.top_share", "percent", 2),
    Amount("destination.least_gain", "eur", negative=True),
    Amount("destination.heads", "items"),
    Amount("transfer.check_age", "days", negative=True),
    Amount("transfer.lag", "days", negative=True),
)
DERIVED_TRUTHS = ("transfer.matches", "destination.agrees")
DERIVED_DATES = ("transfer.ends", "transfer.noticed")
