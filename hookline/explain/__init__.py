"""Why a row of a table looks as it does: its events and the rules that applied."""
