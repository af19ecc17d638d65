import configparser
import glob
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_file_that_the_code_reads_beside_it_ships_with_its_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = [pattern.strip() for pattern in config["options.package_data"]["*"].split(",")]
    packages = [
        file.parent for top in ("twin_assets", "resources", "jobs") for file in (ROOT / top).rglob("__init__.py")
    ]
    # As setuptools does it: each pattern in each folder that is a package, and in no other.
    shipped = {
        package / name
        for package in packages
        for pattern in patterns
        for name in glob.glob(pattern, root_dir=package, recursive=True)  # noqa: PTH207  # setuptools' own rule
    }
    data = {
        file
        for top in ("twin_assets", "resources", "jobs")
        for file in (ROOT / top).rglob("*")
        if file.is_file() and file.suffix != ".py" and "__pycache__" not in file.parts
    }

    assert {file.name for file in data} >= {"answers.md", "chatml.jinja", "templates.yaml"}
    assert data <= shipped
