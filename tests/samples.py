"""Numbers out of Prometheus' text format."""

from prometheus_client.parser import text_string_to_metric_families


def sample(text: bytes | str, name: str, **labels: str) -> float | None:
    """The sum of all samples of a name that carry these labels, or None where there is none."""
    plain = text.decode() if isinstance(text, bytes) else text
    found = [
        each.value
        for family in text_string_to_metric_families(plain)
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    ]
    return sum(found) if found else None
