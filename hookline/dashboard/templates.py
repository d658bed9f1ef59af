"""The templates of the pages. Everything they print is escaped; an unknown name is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hookline.dashboard import charts
from hookline.dashboard.formats import FILTERS, shown
from hookline.dashboard.letters.formats import FILTERS as LETTER_FILTERS
from hookline.dashboard.login.passwords import HOW_TO_SET

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("html")),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=shown,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters.update(FILTERS)
TEMPLATES.filters.update(LETTER_FILTERS)
TEMPLATES.globals.update(how_to_set_a_login=HOW_TO_SET)
TEMPLATES.globals.update(stacked=charts.stacked, bar=charts.bar, shade=charts.shade)
