"""The layer under all stages. Depends on no platform and no table."""
