"""Names with parameters, as the command line and manifests have them: ``name`` or ``name:parameter=value,parameter=value``."""

from collections.abc import Iterable

from bandit.errors import InputError


def parse_parameters(text: str) -> tuple[str, dict[str, float]]:
    """The name and the parameters of ``text``, in the order in which they were given.

    Raises:
        InputError: a parameter is given twice, or is not a number.

    >>> parse_parameters("softmax:temperature=0.02")
    ('softmax', {'temperature': 0.02})
    """
    name, _, arguments = text.partition(":")
    parameters: dict[str, float] = {}
    for item in filter(None, arguments.split(",")):
        key, _, value = item.partition("=")
        if key in parameters:
            raise InputError(f"parameter {key} of {name} is given twice, {parameters[key]} and {value}; give it once")
        try:
            parameters[key] = float(value)
        except ValueError:
            raise InputError(f"parameter {key} of {name} is {value!r}, expected a number") from None
    return name, parameters


def check_parameters(name: str, parameters: Iterable[str], known: Iterable[str]) -> None:
    """Refuse what ``name`` does not take.

    Raises:
        InputError: a parameter is not known.
    """
    takes = sorted(known)
    for key in parameters:
        if key not in takes:
            raise InputError(f"{name} has no parameter {key!r}; it takes {', '.join(takes) or 'none'}")
