from typing import Any

from runtime import metrics


def families() -> Any:
    return [family for family in metrics.REGISTRY.collect() if family.name.startswith("hookline_")]


def test_every_family_says_what_it_counts() -> None:
    assert [family.name for family in families() if len(family.documentation) < 10] == []


def test_labels_are_few_and_bounded() -> None:
    """An entity, a URL, a customer or a delivery as a label would grow without end."""
    allowed = {
        "source", "event", "shop", "status", "outcome", "verdict", "reason", "topic",
        "stage", "partition", "holder", "kind", "le",
    }  # fmt: skip
    told = {label for family in families() for sample in family.samples for label in sample.labels}

    assert told <= allowed


def test_the_page_is_the_prometheus_text_format() -> None:
    page = metrics.render().decode()

    assert "# HELP hookline_ready 1 while the process is ready." in page
    assert "# TYPE hookline_ingress_acknowledge_seconds histogram" in page
