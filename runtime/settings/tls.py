"""Contexts for TLS, from the files that settings name."""

import ssl


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable and the remedy."""


def trusting(cafile: str | None, name: str) -> ssl.SSLContext:
    """Return a context for TLS that trusts the authorities of a file, else the system's.

    Raises SettingsError with ``name``, the variable that gave the file.
    """
    try:
        return ssl.create_default_context(cafile=cafile or None)
    except OSError as error:  # ssl.SSLError is one too
        raise SettingsError(
            f"{name}={cafile}: no certificates can be read from it: {error.strerror or error}"
        ) from error


def load_certificate(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, key_password: str | None
) -> None:
    """Load the certificate that shows a server who we are, with its key there or in ``keyfile``.

    Raises SettingsError where they cannot be read or do not belong together.
    """
    # Never None: OpenSSL would ask for the password of an encrypted key at the terminal.
    password = key_password or ""
    try:
        context.load_cert_chain(certfile, keyfile or None, lambda: password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise SettingsError(
            f"HOOKLINE_SSL_CERTFILE={certfile}: no certificate with its key can be read from it"
            " and HOOKLINE_SSL_KEYFILE: check both, and HOOKLINE_SSL_KEY_PASSWORD for a key"
            " that is encrypted"
        ) from error
