"""What holds for the dbt project of ``docs/dbt`` as written; an integration test runs it."""

import re

import yaml

from tests.dbt_sources import PROJECT

MODELS = {
    folder: {path.stem for path in (PROJECT / "models" / folder).glob("*.sql")}
    for folder in ("staging", "marts")
}


def test_the_readme_names_every_mart() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (PROJECT / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(MODELS["marts"])


def test_nothing_is_sent_to_anybody_and_no_package_is_fetched() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["flags"]["send_anonymous_usage_stats"] is False
    assert not list(PROJECT.glob("packages.*"))
    assert not list(PROJECT.glob("dependencies.*"))


def test_every_model_and_every_column_listed_is_described_and_every_model_is_tested() -> None:
    for folder, names in MODELS.items():
        models = yaml.safe_load((PROJECT / "models" / folder / f"{folder}.yml").read_text())
        assert {model["name"] for model in models["models"]} == names
        for model in models["models"]:
            assert model["description"]
            assert all(column["description"] for column in model["columns"])
            tests = [*model.get("data_tests", ()), *(c.get("data_tests") for c in model["columns"])]
            assert any(tests), model["name"]


def test_every_mart_has_a_test_of_its_key() -> None:
    marts = yaml.safe_load((PROJECT / "models" / "marts" / "marts.yml").read_text())["models"]
    for mart in marts:
        keys = [test for test in mart["data_tests"] if "unique_together" in test]
        assert keys, mart["name"]
