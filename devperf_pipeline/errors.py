"""
What can go wrong, as one tree.

* DevperfError
  x ConfigurationError         a stack file, a setting or a folder is not as it must be
  x ServiceError               one service cannot be measured; the others can
    + ServiceMissing             its server is not on this machine, or not in this stack
    + ServiceUnreachable         nothing answers at its address, or not in time
    + ServiceRefused             it answers, and says no (password, privileges, limits)
    + WrongAnswer                it answers, but not what was asked for
  x MeasurementError           the run itself cannot go on
    + AlreadyMeasuring           another baseline is being measured on this machine
  x StoreError                 samples or the warehouse cannot be read or written
  x ForeignResults             a file of results is not what a tool that is known here writes

Each message says what was expected, what was found, where, and what to do.
"""


class DevperfError(Exception):
    """Anything that this project raises on purpose."""


class ConfigurationError(DevperfError):
    """A stack file, a setting or a folder is not as it must be."""


class ServiceError(DevperfError):
    """One service cannot be measured; every other one still can."""


class ServiceMissing(ServiceError):
    """The server is not installed on this machine, or something it needs is not in this stack."""


class ServiceUnreachable(ServiceError):
    """Nothing answers at the address, or not within the deadline."""


class ServiceRefused(ServiceError):
    """The service answers and refuses: wrong password, missing privilege, a limit reached."""


class WrongAnswer(ServiceError):
    """The service answers something else than what was asked for."""


class MeasurementError(DevperfError):
    """The run cannot go on; what was measured before is kept."""


class AlreadyMeasuring(MeasurementError):
    """Another process on this machine is measuring; two at once would measure each other."""


class StoreError(DevperfError):
    """Samples or the warehouse cannot be read or written."""


class ForeignResults(DevperfError):
    """A file of results is not what a tool that is known here writes, or not whole. The message names file and line."""
