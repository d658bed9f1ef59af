"""Settings: read once from the ``HOOKLINE_*`` environment variables, then passed on."""

from runtime.settings.environment import LONGEST_SESSION, OTHER_NAMES, from_env, misspelt
from runtime.settings.tls import SettingsError, trusting
from runtime.settings.values import ANSWER_MS, Network, Settings

__all__ = [
    "ANSWER_MS",
    "LONGEST_SESSION",
    "OTHER_NAMES",
    "Network",
    "Settings",
    "SettingsError",
    "from_env",
    "misspelt",
    "trusting",
]
