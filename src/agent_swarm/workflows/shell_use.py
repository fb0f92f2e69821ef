"""Who may have scripts run on the server's own machine."""

from enum import StrEnum


class ShellUse(StrEnum):
    """Whose workflows may have stages of kind shell."""

    OFF = "off"  # nobody's
    ADMIN = "admin"
    OPERATOR = "operator"
