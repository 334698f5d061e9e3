"""Charters with every construct of the language, with a catalogue: what the gateway makes of
them is tested from source text to signed record."""

import copy
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from dsl.compile import compile_charters
from dsl.core import Program
from dsl.source import SourceText
from gateway import bundle
from gateway.pdp import catalogue
from gateway.pdp.engines import make_engines
from tests.gateway.world import World

VOCABULARY = """\
charter whole.words
  title "Words of a provider's customers"
  time zone Europe/Brussels

action place "Run a workload"
action leave "Leave a provider"

enumeration country   "Country" of BE, DE, FR, GB, US
enumeration objective "Objective" of SOV-1, SOV-2
levels seal "SEAL levels" of SEAL-0 < SEAL-1 < SEAL-2 < SEAL-3

structure holder "One who holds a part of a provider"
  field country country
  field share   number of percent
  field veto    yes or no

entity site "A site"
  field countries   set of country
  field holders     list of holder "Who owns it"
  field seal        map of objective to seal
  field assessed_on date
  field load        number of megawatts with 1 decimal
  field margin      number of eur or negative

record destination "Where to" is site from catalogue at resource on place
record user "Who asks" from request at subject
  field id   identifier
  field type identifier
record contract "Of the provider" from request at context.contract
  field notified_on date
  field ends        date
  field price       number of eur with 2 decimals
  field persons     number of persons
record csf "What the customer wants" from request at context.csf
  field seal map of objective to seal

derive destination.foreign_share "Share held from outside the area" as
  the sum of destination.holders.share where not holders.country in EEA
derive destination.vetoes "Holders with a veto" as
  the number of destination.holders where holders.veto
derive destination.largest_share "The largest share" as
  the largest destination.holders.share else 0 percent
derive contract.notice_ends "When notice ends" as contract.notified_on plus 6 months
derive contract.noticed_in_time "Notice was given before the end" as
  whether contract.notified_on before contract.ends
derive destination.assessment_age "How old the assessment is" as
  the days from destination.assessed_on to today

zone EU  "The Union" member BE, DE, FR
zone EEA "The area" as EU - {GB}

obligation notify "Notify the authority" has a deadline
  field authority identifier
  field copies    number of items
  field filed_on  date
obligation review "Review the contract" has a deadline
advice start-logs "Begin to keep logs now"
"""

LAW = """\
charter whole.law
  title "A law for tests"
  law LEX "Regulation (EU) 2000/1" celex 32000R0001
  time zone Europe/Brussels
  as of 2026-11-22
import whole.words

rule owned-here "Not owned from elsewhere"
  cites LEX art 1
  on place
  require destination.foreign_share at most 24.5 percent
  because "Who owns a provider decides over it."
  remedy "Choose another provider."
  example "owned at home" is permitted with notify, review advised start-logs
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "owned from elsewhere" is denied by owned-here, fresh
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = far

rule contract-lasts "The contract lasts"
  cites LEX art 2
  on place
  require contract.ends on or after today + 30 days
  because "A contract that ends is no protection."
  remedy "Renew it."
  oblige notify with authority = "lex-office", copies = 2, filed_on = 2027-01-12 within 72 hours
  oblige review within 3 months
  advise start-logs
  example "it lasts" is permitted with notify, review advised start-logs
    contract.ends = 2026-12-22
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "it ends" is denied by contract-lasts
    contract.ends = 2026-12-21
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "nobody knows" is undetermined by contract-lasts
    contract.ends = unknown
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near

rule sealed "As sealed as the customer wants"
  cites LEX art 3
  on place
  when csf.seal[SOV-2] at least SEAL-2
  require every destination.seal at least SEAL-1
  because "The customer said so."
  remedy "Choose another site."
  example "sealed" is permitted with notify, review advised start-logs
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-2
    destination = near
  example "not sealed" is denied by owned-here, sealed, fresh
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-2
    destination = far

rule notice-given "Notice is given before one leaves"
  cites LEX art 4
  on leave
  require contract.notified_on is known
  because "Nobody leaves without notice."
  remedy "Give notice."
  example "given" is permitted
    contract.notified_on = 2026-01-31
  example "not given" is denied
    contract.notified_on = unknown

rule notice-over "Notice is over"
  cites LEX art 5
  on leave
  forbid
  when contract.notice_ends after today
  because "Half a year is half a year."
  remedy "Wait."
  example "over" is permitted
    contract.notified_on = 2026-01-31
  example "not over" is denied
    contract.notified_on = 2026-06-01

rule dear "Contracts above a thousand euros are looked at"
  cites LEX art 6
  on place
  level warn
  forbid
  when contract.price more than 1 000.00 eur
  because "Somebody should look."
  remedy "Ask for a discount."
  example "dear" is denied by dear
    contract.ends = 2027-06-30
    contract.price = 1 000.01 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "cheap" is permitted with notify, review advised start-logs
    contract.ends = 2027-06-30
    contract.price = 1 000 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near

rule fresh "Assessments are fresh"
  cites LEX art 7
  on place
  level shadow
  require destination.assessment_age at most 90 days
  because "Old assessments say nothing."
  remedy "Assess again."
  example "fresh" is permitted with notify, review advised start-logs
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "old" is denied by owned-here, fresh
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = far

rule spare "Where there is power to spare"
  cites LEX art 8
  on place
  prefer 10
  when destination.load less than 50 megawatts
  because "It saves building."
  example "to spare" is preferred
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
  example "too loaded" is permitted with notify, review advised start-logs
    contract.ends = 2027-06-30
    contract.price = 10 eur
    csf.seal[SOV-2] = SEAL-0
    destination = near
    destination.load = 50 megawatts
"""

PROFILES = """\
charter whole.house
  title "What is permitted at all"
  law HOUSE "House rules"
  time zone Europe/Brussels
  as of 2026-11-22
import whole.words
import whole.law

profile clinics "What hospitals run under"
  charters whole.law, whole.house
  tenants  clinic-a, clinic-b
  permit   place, leave
  when     user.type is not robot
profile others "What everybody else runs under"
  charters whole.law
  permit   leave
"""

CHARTERS = {"words.charter": VOCABULARY, "law.charter": LAW, "house.charter": PROFILES}

SITES = """\
format = "charter-catalogue/v1"
title = "Sites of two owners"
as_of = 2026-11-22

[[site]]
id = "near"
valid_from = 2026-01-01
source = "made up"

[site.facts]
countries = ["FR"]
assessed_on = 2026-11-01
load = "24.1"
margin = -7
seal = { SOV-1 = "SEAL-1", SOV-2 = "SEAL-3" }

[[site.facts.holders]]
country = "BE"
share = "75.50"
veto = true

[[site.facts.holders]]
country = "US"
share = "24.50"
veto = false

[[site]]
id = "far"
valid_from = 2026-01-01
source = "made up"

[site.facts]
countries = ["US"]
assessed_on = 2026-01-01
load = "240.0"
seal = { SOV-1 = "SEAL-0", SOV-2 = "SEAL-2" }

[[site.facts.holders]]
country = "US"
share = "100"
veto = true
"""

CONTEXT: dict[str, Any] = {
    "contract": {"ends": "2027-06-30", "price": "1000.01", "persons": 3},
    "csf": {"seal": {"SOV-2": "SEAL-2"}},
}
LEAVE: dict[str, Any] = {"action__name": "leave", "resource": {"type": "provider", "id": "p-1"}}


@cache
def made() -> bundle.Bundle:
    """The bundle of these charters."""
    compiled = compile_charters([SourceText(name, text) for name, text in CHARTERS.items()])
    _, program = compiled.require()
    return bundle.build(compiled, sites(program).raw_facts())


def sites(of: Program | None = None) -> catalogue.Catalogue:
    return catalogue.build(tomllib.loads(SITES), of or made().program, name="sites.toml")


def asked(**changes: Any) -> dict[str, Any]:
    """Members of the usual question, for `World.decide`."""
    base: dict[str, Any] = {
        "subject": {"type": "user", "id": "alice"},
        "resource": {"type": "site", "id": "near"},
        "context": copy.deepcopy(CONTEXT),
    }
    return {**base, **changes}


def world(folder: Path) -> World:
    """A gateway with both engines in process."""
    engines = make_engines(("cedar", "rego"), made().program, opa_url=None)
    return World(folder, law=made(), known=sites(), engines=engines)
